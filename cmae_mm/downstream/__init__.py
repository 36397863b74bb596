"""What classifiers, segmentors and detectors lack to take the encoder."""

from .backbone import downstream_backbone
from .checks import CheckLabelMap, CheckMasks
from .hybrid import DownstreamHybridViT
from .pyramid import AppendCoarserMap, SimpleFeaturePyramid
from .vit import DownstreamViT

__all__ = [
    'AppendCoarserMap',
    'CheckLabelMap',
    'CheckMasks',
    'DownstreamHybridViT',
    'DownstreamViT',
    'SimpleFeaturePyramid',
    'downstream_backbone',
]
