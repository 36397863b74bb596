"""The ways from image files to the model that are compared, and built-in photographs for them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmpretrain.registry import DATASETS
from PIL import Image

import cmae_mm  # noqa: F401
from cmae_mm.demo.pictures import SURFACES, photograph_path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/cmae/cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'
LIMIT = 'decoding alone'
RELEASED = "the released code's order"
MASTER = 'this package, master images'
WORKER = 'this package, views made in workers'


def decode_only(path: str) -> None:
    """The limit: read and decode, nothing else."""
    with open(path, 'rb', buffering=0) as file:  # the fastest way
        content = file.read()
    cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def stock_pipeline() -> Callable:
    """mmpretrain's own for MAE: one view, uint8, normalised on the device."""
    base = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'
    cfg = Config.fromstring(f'_base_ = {base!r}', '.py')
    transforms = Compose(cfg.train_dataloader.dataset.pipeline)
    return lambda path: transforms({'img_path': path, 'sample_idx': 0})


def own_dataset(folder: Path, where: str):
    """This package's dataset, its views made on the device or in workers."""
    pipeline = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    pipeline[-1].where = where
    return DATASETS.build(
        dict(type='PretrainDataset', data_root=str(folder), pipeline=pipeline, lazy_init=True)
    )


def write_photographs(folder: Path, num: int = 64) -> None:
    """Cut the built-in photographs into JPEGs as large as ImageNet's."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    originals = [Image.open(path) for path in sorted(set(map(photograph_path, SURFACES.values())))]
    originals = [image for image in originals if min(image.size) >= 300]
    for number in range(num):
        image = originals[number % len(originals)].convert('RGB')
        width, height = image.size
        side = draw.integers(240, min(width, height))
        left, top = draw.integers(0, width - side + 1), draw.integers(0, height - side + 1)
        crop = image.crop((left, top, left + side, top + int(side * 0.8)))
        crop.resize((500, 400), Image.Resampling.BICUBIC).save(
            folder / f'{number:03}.jpg', quality=95
        )
