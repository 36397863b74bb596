"""Mean and standard deviation of the images that a data preprocessor normalises."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from .decode import DTYPES, decode
from .master_image import LoadImage
from .tiff import decode_tiff, is_tiff


class Statistics(NamedTuple):
    """Levels in [0, 255], as ``LoadImage`` gives them.

    Attributes:
        mean: of each channel, (C,); every image counts the same, whatever its size.
        std: standard deviation of each channel around it, (C,).
        images: how many were read.
        skipped: how many could not be read.
    """

    mean: np.ndarray
    std: np.ndarray
    images: int
    skipped: int


def find_loading(paths: Sequence[str | Path], color_type: str) -> dict:
    """Return the fields of ``LoadImage`` that fit the first image that can be decoded.

    Args:
        paths: of image files.
        color_type: of ``LoadImage``.

    Raises:
        ValueError: there is none, or its levels are neither uint8 nor uint16.
    """
    for path in paths:
        try:
            image = _decode_any(Path(path).read_bytes())
            break
        except (OSError, ValueError) as error:
            reason = f'{path}: {error}'
    else:
        raise ValueError(f'none of {len(paths)} images can be decoded, the last {reason}')
    if str(image.dtype) not in DTYPES:
        raise ValueError(f'{path}: an image of {image.dtype}, expected {" or ".join(DTYPES)}')
    channels = dict(channels=image.shape[2]) if color_type == 'unchanged' else {}
    return dict(color_type=color_type, **channels, dtype=str(image.dtype))


def _decode_any(content: bytes) -> np.ndarray:
    if is_tiff(content):
        return decode_tiff(content)
    return decode(content, cv2.IMREAD_UNCHANGED, dtype=None)


def channel_statistics(
    paths: Sequence[str | Path],
    load: LoadImage,
    workers: int = 0,
    progress: Callable[[int], object] = lambda images: None,
) -> Statistics:
    """Measure images one after the other.

    Args:
        paths: of the files.
        load: reads them; what it can't read it reports, and it is left out.
        workers: number of processes that read; 0 reads in this one.
        progress: called with the number of images that were dealt with since its last call.

    Raises:
        ValueError: no image can be read.
    """
    loader = DataLoader(_Moments(paths, load), batch_size=None, num_workers=workers)
    count, sums = 0, torch.zeros(())
    for moments in loader:
        if moments is not None:
            count, sums = count + 1, sums + moments
        progress(1)
    if not count:
        raise ValueError(
            f'none of {len(paths)} images can be read with {load.channels} channels of {load.dtype}'
        )
    mean, mean_square = (sums / count).numpy()  # the loader makes tensors of arrays
    std = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return Statistics(mean, std, count, len(paths) - count)


class _Moments(Dataset):
    """Means of the levels and of their squares, float64 (2, C); None of an unreadable image."""

    def __init__(self, paths: Sequence[str | Path], load: LoadImage) -> None:
        self.paths, self.load = paths, load

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray | None:
        results = self.load({'img_path': str(self.paths[index])})
        if results is None:
            return None
        levels = results['img'].reshape(-1, results['img'].shape[2]).astype(np.float64)
        return np.stack([levels.mean(axis=0), np.square(levels).mean(axis=0)])
