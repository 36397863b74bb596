"""Images for evaluation: cropped to the aspect ratio only, without randomness."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from mmengine.dataset import Compose
from mmpretrain.datasets import CustomDataset
from torch import Tensor
from torch.nn import functional as F

from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.folder import IMAGE_SUFFIXES

_COLOR_TYPES = {1: 'grayscale', 3: 'color'}


def image_pipeline(size: tuple[int, int], channels: int) -> list[Callable]:
    """Return the transforms from an ``img_path`` to an ``image``, uint8 (channels, *size)."""
    color_type = _COLOR_TYPES.get(channels, 'unchanged')
    return [LoadImage(color_type), partial(_fit, size=size)]


def load_image(path: str | Path, size: tuple[int, int], channels: int) -> Tensor:
    """Read one image in the form that a frozen encoder takes.

    Args:
        path: of the image file.
        size: (height, width), in pixels.
        channels: 1 (grey), 3 (RGB), or as many as the file has.

    Returns:
        uint8, shape (channels, *size).

    Raises:
        ValueError: the file can't be read as an image.
    """
    results = Compose(image_pipeline(size, channels))({'img_path': str(path)})
    if results is None:
        raise ValueError(f'{str(path)!r} cannot be read as an image')
    return results['image']


class ClassFolder(CustomDataset):
    """Images in class folders, ``root/<class>/*``, in the form that a frozen encoder takes.

    An item is ``{'image': uint8 (C, H, W), 'gt_label': int, ...}``, or None if the file can't
    be read (``LoadImage`` logs a warning).

    Args:
        root: folder with one sub-folder per class.
        size: (height, width) of the images, in pixels.
        channels: of the images.
        classes: names of the sub-folders; None means those found.

    Raises:
        FileNotFoundError: no such folder, or no class folder in it.
        ValueError: fewer than two classes, or others than ``classes``.
    """

    def __init__(
        self,
        root: str | Path,
        size: tuple[int, int],
        channels: int,
        classes: Sequence[str] | None = None,
    ) -> None:
        _check_folders(Path(root), classes)
        super().__init__(
            data_root=str(root),
            pipeline=image_pipeline(size, channels),
            extensions=IMAGE_SUFFIXES,
            test_mode=True,
        )

    def __getitem__(self, index: int) -> dict | None:
        return self.prepare_data(index)


def collate(samples: list[dict | None]) -> dict[str, Tensor]:
    """Collate the items of a ClassFolder, skipping unreadable ones.

    Returns:
        ``image``, uint8 (N, C, H, W), and ``gt_label``, int64 (N,); N may be 0.
    """
    readable = [sample for sample in samples if sample is not None]
    return {
        'image': torch.stack([s['image'] for s in readable]) if readable else None,
        'gt_label': torch.tensor([s['gt_label'] for s in readable]),
    }


def _fit(results: dict, size: tuple[int, int]) -> dict:
    """Crop the largest central part of the target's aspect ratio and resize it, antialiased."""
    image = torch.from_numpy(results['img']).permute(2, 0, 1)  # (C, h, w)
    height, width = image.shape[1:]
    scale = min(height / size[0], width / size[1])
    rows, cols = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - rows) // 2, (width - cols) // 2
    part = image[None, :, top : top + rows, left : left + cols]
    part = F.interpolate(part, size, mode='bicubic', antialias=True)
    return {**results, 'image': part[0]}


def _check_folders(root: Path, classes: Sequence[str] | None) -> None:
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {str(root)!r}: give a folder with one sub-folder of images per class'
        )
    found = sorted(path.name for path in root.iterdir() if path.is_dir())
    if not found:
        raise FileNotFoundError(
            f'no class folders in {str(root)!r}: expected one sub-folder of images per '
            'class, root/<class>/*.jpg'
        )
    if len(found) < 2:
        raise ValueError(
            f'only one class, {found[0]!r}, in {str(root)!r}: at least two sub-folders are needed'
        )
    if classes is not None and found != sorted(classes):
        differing = sorted(set(found) ^ set(classes))
        raise ValueError(
            f'{str(root)!r} has other classes than the training images: '
            f'{", ".join(differing[:5])}; both folders need the same sub-folders'
        )
