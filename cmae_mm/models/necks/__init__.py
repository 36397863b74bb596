"""Between encoder and head: decoders, and pooling by attention."""

from .attentive_pooling import AttentivePooling
from .cae_neck import CAERegressorDecoder
from .cmae_decoders import CMAEFeatureDecoder, CMAEPixelDecoder, TokenDecoder

__all__ = [
    'AttentivePooling',
    'CAERegressorDecoder',
    'CMAEFeatureDecoder',
    'CMAEPixelDecoder',
    'TokenDecoder',
]
