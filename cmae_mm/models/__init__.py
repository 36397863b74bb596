"""The methods: algorithms, encoders, necks, heads and losses, in mmpretrain's folders."""

from .backbones import CMAEViT, plain_encoder
from .heads import CMAEPretrainHead
from .losses import BYOLLoss, InfoNCELoss
from .necks import CMAEFeatureDecoder, CMAEPixelDecoder
from .selfsup import CMAE
from .utils import CMAEDataPreprocessor, build_model

__all__ = [
    'BYOLLoss',
    'CMAE',
    'CMAEDataPreprocessor',
    'CMAEFeatureDecoder',
    'CMAEPixelDecoder',
    'CMAEPretrainHead',
    'CMAEViT',
    'InfoNCELoss',
    'build_model',
    'plain_encoder',
]
