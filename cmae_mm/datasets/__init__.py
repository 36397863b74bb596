"""The data path: image files, master images, parameters of the two views."""

from .builtin import BuiltinImages
from .pretrain_dataset import PretrainDataset, SeededSampler
from .transforms import (
    ColorAugment,
    IndependentCrop,
    LoadImage,
    MasterCrop,
    PackViews,
    PixelShift,
)

__all__ = [
    'BuiltinImages',
    'ColorAugment',
    'IndependentCrop',
    'LoadImage',
    'MasterCrop',
    'PackViews',
    'PixelShift',
    'PretrainDataset',
    'SeededSampler',
]
