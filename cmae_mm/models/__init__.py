"""The methods: algorithms, encoders, necks, heads and losses, in mmpretrain's folders."""

from .backbones import CMAEViT, ConvStem, HybridViT, plain_encoder
from .heads import CMAEPretrainHead, ReconstructionHead
from .losses import BYOLLoss, InfoNCELoss
from .necks import CMAEFeatureDecoder, CMAEPixelDecoder
from .selfsup import CMAE, MaskedReconstruction
from .utils import CMAEDataPreprocessor, build_model

__all__ = [
    'BYOLLoss',
    'CMAE',
    'CMAEDataPreprocessor',
    'CMAEFeatureDecoder',
    'CMAEPixelDecoder',
    'CMAEPretrainHead',
    'CMAEViT',
    'ConvStem',
    'HybridViT',
    'InfoNCELoss',
    'MaskedReconstruction',
    'ReconstructionHead',
    'build_model',
    'plain_encoder',
]
