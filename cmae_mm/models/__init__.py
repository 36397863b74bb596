"""The method: encoder, decoders, head, losses, momentum target, algorithm."""

from .cmae import CMAE
from .cmae_vit import CMAEViT, plain_encoder
from .data_preprocessor import CMAEDataPreprocessor
from .decoders import CMAEFeatureDecoder, CMAEPixelDecoder
from .head import CMAEPretrainHead
from .losses import BYOLLoss, InfoNCELoss

__all__ = [
    'BYOLLoss',
    'CMAE',
    'CMAEDataPreprocessor',
    'CMAEFeatureDecoder',
    'CMAEPixelDecoder',
    'CMAEPretrainHead',
    'CMAEViT',
    'InfoNCELoss',
    'plain_encoder',
]
