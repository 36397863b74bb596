"""The data path: image files, master images, parameters of the two views."""

from .block_mask import BlockMask
from .master_image import LoadImage, MasterCrop, RandomHorizontalFlip
from .pack_views import PackViews
from .pretrain_dataset import PretrainDataset
from .sampling import ResumableBatchSampler, SeededSampler
from .seeded_dataset import SeededDataset
from .shard_sampler import ShardSampler
from .shards import ShardDataset
from .skipped import SkippedImages, image_path
from .unlabelled import UnlabelledDataset
from .view_parameters import ColorAugment, IndependentCrop, PixelShift

__all__ = [
    'BlockMask',
    'ColorAugment',
    'IndependentCrop',
    'LoadImage',
    'MasterCrop',
    'PackViews',
    'PixelShift',
    'PretrainDataset',
    'RandomHorizontalFlip',
    'ResumableBatchSampler',
    'SeededDataset',
    'SeededSampler',
    'ShardDataset',
    'ShardSampler',
    'SkippedImages',
    'UnlabelledDataset',
    'image_path',
]
