"""Features of a data set from a frozen encoder."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from .encoder import FrozenEncoder
from .images import ClassFolder, collate
from .tokens import TokenStore


def extract_features(
    encoder: FrozenEncoder,
    images: ClassFolder,
    batch_size: int = 64,
    num_workers: int = 2,
    label: str = 'features',
    store: TokenStore | None = None,
) -> tuple[Tensor, Tensor]:
    """Run all images through the encoder, on the device that it is on.

    Args:
        encoder: to call.
        images: to read.
        batch_size: images per call.
        num_workers: processes that read images.
        label: of the progress line.
        store: takes all tokens.

    Returns:
        features, float32 (N, D), and labels, int64 (N,), on the CPU; unreadable images are
        left out.

    Raises:
        ValueError: none of the images can be read.
        OSError: the store can't be written.
    """
    loader = DataLoader(images, batch_size, num_workers=num_workers, collate_fn=collate)
    features, labels = [], []
    for batch in tqdm(loader, desc=label, unit='batch', disable=None, leave=False):
        if batch['image'] is None:
            continue
        tokens = encoder.tokens(batch['image'])
        features.append(encoder.pool(tokens).cpu())
        if store is not None:
            store.add(tokens)
        labels.append(batch['gt_label'])
    if not features:
        raise ValueError(f'no image in {images.data_root!r} can be read')
    return torch.cat(features), torch.cat(labels)
