"""The released CMAE code's way from an image file to two views, operation by operation."""

import random

import mmcv
import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import TRANSFORMS


class ReleasedOrder:
    """The released code's operations in its order, by the libraries that it calls.

    Pillow decodes, crops and resizes; both views are cut from the flipped image, copied, and
    normalised by mmcv in float32; the target's jitter goes through Pillow, an operation at a time.
    Sources: github.com/ZhichengHuang/CMAE at e786a52, train_pipeline of
    configs/pre-training/cmae/cmae_vit-base-p16_32xb128-coslr-300e_in1k.py (operations, and
    default_collate), CMAEDataset.__getitem__ in cmae/datasets/cmae_dataset.py (order),
    LoadImageNetFromFile and ShiftPixel in cmae/datasets/pipelines/{loading,processing}.py. Its
    other transforms are copies of mmpretrain's and mmcv's, which stand in here.
    """

    def __init__(self) -> None:
        self.master = _build(
            dict(
                type='RandomResizedCrop',
                scale=256,
                crop_ratio_range=(0.2, 1.0),
                interpolation='bicubic',
                backend='pillow',
            ),
            dict(type='RandomFlip', prob=0.5),
        )
        jitter = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        self.augment = _build(
            dict(type='RandomApply', transforms=[jitter], prob=0.8),
            dict(
                type='RandomGrayscale',
                prob=0.2,
                keep_channels=True,
                channel_weights=(0.114, 0.587, 0.2989),
            ),
            dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
        )
        self.normalize = _build(
            dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
        )

    def __call__(self, path: str) -> dict[str, torch.Tensor]:
        image = mmcv.imread(path, channel_order='rgb', backend='pillow').astype(np.uint8)
        image = self.master({'img': image})['img']
        online, target = self._shift(image, 0), self._shift(image.copy(), 31)
        target = self.augment({'img': target})['img']
        return {'img': self._finish(online), 'img_t': self._finish(target)}

    @staticmethod
    def _shift(image: np.ndarray, largest: int) -> np.ndarray:
        top, left = random.randint(0, largest), random.randint(0, largest)
        return np.array(image)[top : top + 224, left : left + 224].astype(np.uint8)

    def _finish(self, view: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.normalize({'img': view})['img'].transpose(2, 0, 1).copy())


def _build(*transforms: dict) -> Compose:
    return Compose([TRANSFORMS.build(transform) for transform in transforms])
