"""Real files, made on the spot."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image


def write_images(folder: Path, num: int = 4, size=(40, 50), name='{}.jpg') -> Path:
    """Write smooth random colour images as files."""
    generator = np.random.default_rng(0)
    for index in range(num):
        path = folder / name.format(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))
    return folder


def write_pixels(path: Path, pixels: np.ndarray) -> Path:
    """Write levels in [0, 255], (H, W) or (H, W, 3), as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def smooth_picture(seed=0, size=(40, 50), channels=3, dtype='uint8') -> np.ndarray:
    """A smooth random image, (H, W, channels), of the whole range of its type."""
    coarse = np.random.default_rng(seed).random((5, 5, channels)).astype(np.float32)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)
    return (image * np.iinfo(dtype).max).astype(dtype).reshape(*size, channels)


def write_tiff(path: Path, image: np.ndarray, **options) -> None:
    """Write (H, W, C), or with ``planarconfig='separate'`` (C, H, W), as a TIFF."""
    tifffile = pytest.importorskip('tifffile')
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {'photometric': 'minisblack', 'planarconfig': 'contig', **options}
    tifffile.imwrite(path, image, **options)


def remove_logs(work_dir: Path) -> None:
    """Remove the log folders of a run; one that starts within the same second would share them."""
    for path in work_dir.glob('*/vis_data'):
        shutil.rmtree(path.parent)


def loaded_image(size=(20, 20), channels=3) -> dict:
    """Return noise as a pipeline's transforms get it."""
    image = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    return {'img': image, 'img_shape': size}


PIPELINE = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=20, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=16, max_shift=4),
    dict(type='ColorAugment', view='target'),
    dict(type='PackViews', where='device'),
]
