"""Features of a data set from a frozen encoder."""

import logging
from collections.abc import Callable, Iterator

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from .encoder import FrozenEncoder
from .feature_file import FeatureFile
from .images import LabelledImages, collate
from .sharing import own_rows
from .tokens import TokenStore


def extract_features(
    encoder: FrozenEncoder,
    images: Dataset,
    batch_size: int = 64,
    num_workers: int = 2,
    label: str = 'features',
    store: TokenStore | None = None,
) -> tuple[Tensor, Tensor]:
    """Run all images through the encoder, on the device that it is on.

    Args:
        encoder: to call.
        images: to read: LabelledImages, or a part of them.
        batch_size: images per call.
        num_workers: processes that read images.
        label: of the progress line.
        store: takes all tokens.

    Returns:
        features, float32 (N, D), and labels, int64 (N,) or booleans (N, classes), on the CPU;
        unreadable images are left out.

    Raises:
        ValueError: none of the images can be read.
        OSError: the store can't be written.
    """
    features, labels = [], []
    for batch, tokens in encode(encoder, images, batch_size, num_workers, label):
        features.append(encoder.pool(tokens).cpu())
        labels.append(batch['gt_label'])
        if store is not None:
            store.add(tokens)
    if not features:
        raise ValueError(f'no image in {_name(images)} can be read')
    return torch.cat(features), torch.cat(labels)


def extract_own_features(
    encoder: FrozenEncoder,
    images: LabelledImages,
    file: FeatureFile | None = None,
    store: TokenStore | None = None,
    **how,
) -> tuple[Tensor, Tensor]:
    """Run this rank's part of the images through the encoder.

    Args:
        encoder: to call.
        images: all of them; every rank takes a part, each image once.
        file: keeps the features; those that it has are not computed again.
        store: takes all tokens; without a file.
        **how: further arguments of :func:`extract_features`.

    Returns:
        features and labels of this rank's part, as from :func:`extract_features`; those of all
        ranks, joined, are in the order of the images.

    Raises:
        ValueError: none of the images can be read, or there are fewer images than ranks.
        OSError: the file or the store can't be written.
    """
    if len(images) < get_world_size():
        raise ValueError(
            f'{len(images)} images in {images.name} are fewer than {get_world_size()} processes: '
            'start fewer'
        )
    rows = own_rows(len(images))
    if file is None:
        return extract_features(encoder, Subset(images, rows), store=store, **how)
    missing = file.missing(rows)
    for batch, tokens in encode(encoder, Subset(images, missing), **how):
        file.write(batch['index'].numpy(), encoder.pool(tokens).cpu().numpy())
    file.mark_unreadable(missing)
    features, readable = file.read(rows)
    if not len(readable):
        raise ValueError(f'no image in {images.name} can be read')
    if len(readable) < len(rows):
        print_log(
            f'{len(rows) - len(readable)} images of {images.name} could not be read, now or when '
            'their features were computed: to read them again, remove the folder of features',
            'current',
            logging.WARNING,
        )
    return features, images.labels(readable)


def encode(
    encoder: FrozenEncoder,
    images: Dataset,
    batch_size: int,
    num_workers: int,
    label: str | None = None,
    start_worker: Callable[[int], None] | None = None,
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Yield batches and their tokens, a batch late; no random numbers are drawn.

    The next batch is on its way when a device is asked for the numbers of the one before, so that
    neither waits for the other.

    Args:
        encoder: to call, on the device that it is on.
        images: to read: LabelledImages, or a part of them.
        batch_size: images per call.
        num_workers: processes that read images; 0: this one.
        label: of a progress line; None: no such line.
        start_worker: called in each of these processes with its number.

    Yields:
        ``gt_label`` and ``index`` of the readable images of a batch, as from
        :func:`~.images.collate`, and their tokens, float32 (N, L, D), on the encoder's device.
    """
    device = encoder.data_preprocessor.device
    loader = DataLoader(
        images,
        batch_size,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=torch.device(device).type == 'cuda',
        worker_init_fn=start_worker,
        generator=torch.Generator(),  # else the loader draws from torch's own
    )
    shown = label is not None and is_main_process()
    hidden = None if shown else True  # None: unless it is a terminal
    ready = None
    with tqdm(total=len(images), desc=label, unit='image', disable=hidden, leave=False) as progress:
        for batch in loader:
            progress.update(min(batch_size, len(images) - progress.n))
            if not batch:
                continue
            on_device = batch.pop('image').to(device, non_blocking=True)
            encoded = (batch, encoder.tokens(on_device))
            if ready is not None:
                yield ready
            ready = encoded
    if ready is not None:
        yield ready


def _name(images: Dataset) -> str:
    return _name(images.dataset) if isinstance(images, Subset) else images.name
