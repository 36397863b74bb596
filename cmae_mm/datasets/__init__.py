"""The data path: image files, master images, parameters of the two views."""

from .pretrain_dataset import PretrainDataset
from .sampling import ResumableBatchSampler, SeededSampler
from .seeded_dataset import SeededDataset
from .shard_sampler import ShardSampler
from .shards import ShardDataset
from .skipped import SkippedImages, image_path
from .transforms import (
    ColorAugment,
    IndependentCrop,
    LoadImage,
    MasterCrop,
    PackViews,
    PixelShift,
)

__all__ = [
    'ColorAugment',
    'IndependentCrop',
    'LoadImage',
    'MasterCrop',
    'PackViews',
    'PixelShift',
    'PretrainDataset',
    'ResumableBatchSampler',
    'SeededDataset',
    'SeededSampler',
    'ShardDataset',
    'ShardSampler',
    'SkippedImages',
    'image_path',
]
