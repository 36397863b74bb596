"""What classifiers, segmentors and detectors lack to take the encoder."""

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
]
