"""Features of a data set from a frozen encoder."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from .encoder import FrozenEncoder
from .images import ClassFolder, collate


def extract_features(
    encoder: FrozenEncoder,
    images: ClassFolder,
    batch_size: int = 64,
    num_workers: int = 2,
    label: str = 'features',
) -> tuple[Tensor, Tensor]:
    """Run all images through the encoder, on the device that it is on.

    Args:
        encoder: to call.
        images: to read.
        batch_size: images per call.
        num_workers: processes that read images.
        label: of the progress line.

    Returns:
        features, float32 (N, D), and labels, int64 (N,), on the CPU; unreadable images are
        left out.

    Raises:
        ValueError: none of the images can be read.
    """
    loader = DataLoader(images, batch_size, num_workers=num_workers, collate_fn=collate)
    features, labels = [], []
    for batch in tqdm(loader, desc=label, unit='batch', disable=None, leave=False):
        if batch['image'] is None:
            continue
        features.append(encoder(batch['image']).cpu())
        labels.append(batch['gt_label'])
    if not features:
        raise ValueError(f'no image in {images.data_root!r} can be read')
    return torch.cat(features), torch.cat(labels)
