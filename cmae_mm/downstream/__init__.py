"""What classifiers, segmentors and detectors lack to take the encoder."""

from .checks import CheckLabelMap, CheckMasks
from .pyramid import SimpleFeaturePyramid
from .vit import DownstreamViT

__all__ = ['CheckLabelMap', 'CheckMasks', 'DownstreamViT', 'SimpleFeaturePyramid']
