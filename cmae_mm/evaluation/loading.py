"""How evaluation reads an image: cropped to the aspect ratio only, without randomness."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import Tensor

from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.master_image import resize

_COLOR_TYPES = {1: 'grayscale', 3: 'color'}


def image_loading(cfg: Config) -> dict:
    """Return the fields of ``LoadImage`` by which a pre-training config reads its images.

    Of any other config they are empty.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset', {})
    for step in dataset.get('pipeline', ()):
        if step['type'] in ('LoadImage', 'mmpretrain.LoadImage'):
            return {field: value for field, value in step.items() if field != 'type'}
    return {}


def image_pipeline(
    size: tuple[int, int], channels: int, loading: dict | None = None
) -> list[Callable]:
    """Return the transforms to ``image``, ``(channels, *size)``, from a path or pixels.

    Args:
        size: (height, width), in pixels.
        channels: 1 (grey), 3 (RGB), or as many as the files have.
        loading: fields of ``LoadImage``, of :func:`image_loading`; empty reads uint8.
    """
    if not loading:
        loading = dict(color_type=_COLOR_TYPES.get(channels, 'unchanged'))
        if loading['color_type'] == 'unchanged':
            loading['channels'] = channels
    load = LoadImage(**loading)
    return [partial(_load, load=load), partial(_fit, size=size)]


def load_image(
    path: str | Path, size: tuple[int, int], channels: int, loading: dict | None = None
) -> Tensor:
    """Read one image in the form that a frozen encoder takes.

    Args:
        path: of the image file.
        size, channels, loading: see :func:`image_pipeline`.

    Returns:
        uint8, or float32 in [0, 255] of images with 16 bits, shape ``(channels, *size)``.

    Raises:
        ValueError: the file can't be read as an image.
    """
    sample = {'img_path': str(path)}
    results = Compose(image_pipeline(size, channels, loading))(sample)
    if results is None:
        raise ValueError(f'{str(path)!r} cannot be read: {sample["unreadable"]}')
    return results['image']


def _load(results: dict, load: Callable) -> dict | None:
    """Read a file, unless the data set holds the image in memory, as CIFAR's do."""
    if results.get('img') is None:
        return load(results)
    image = results['img']
    return {**results, 'img': image if image.ndim == 3 else image[:, :, None]}


def _fit(results: dict, size: tuple[int, int]) -> dict:
    """Crop the largest central part of the target's aspect ratio and resize it, antialiased."""
    image = torch.from_numpy(results['img']).permute(2, 0, 1)  # (C, h, w)
    height, width = image.shape[1:]
    scale = min(height / size[0], width / size[1])
    rows, cols = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - rows) // 2, (width - cols) // 2
    part = image[None, :, top : top + rows, left : left + cols]
    return {**results, 'image': resize(part, size)[0]}
