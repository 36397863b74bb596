"""What classifiers, segmentors and detectors lack to take the encoder."""

from .backbone import SHAPE, downstream_backbone
from .checks import CheckLabelMap, CheckMasks
from .hybrid import DownstreamHybridViT
from .pyramid import AppendCoarserMap, SimpleFeaturePyramid
from .vit import DownstreamViT

__all__ = [
    'SHAPE',
    'AppendCoarserMap',
    'CheckLabelMap',
    'CheckMasks',
    'DownstreamHybridViT',
    'DownstreamViT',
    'SimpleFeaturePyramid',
    'downstream_backbone',
]
