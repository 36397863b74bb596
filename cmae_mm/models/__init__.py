"""The methods: algorithms, encoders, necks, heads and losses, in mmpretrain's folders."""

from .backbones import CMAEViT, ConvStem, HybridViT, plain_encoder
from .heads import CMAEPretrainHead, ReconstructionHead, TokenHead
from .losses import BYOLLoss, InfoNCELoss
from .necks import AttentivePooling, CAERegressorDecoder, CMAEFeatureDecoder, CMAEPixelDecoder
from .selfsup import CMAE, ContextAutoencoder, MaskedReconstruction
from .utils import CAEDataPreprocessor, CMAEDataPreprocessor, DALLETokenizer, build_model

__all__ = [
    'AttentivePooling',
    'BYOLLoss',
    'CAEDataPreprocessor',
    'CAERegressorDecoder',
    'CMAE',
    'CMAEDataPreprocessor',
    'CMAEFeatureDecoder',
    'CMAEPixelDecoder',
    'CMAEPretrainHead',
    'CMAEViT',
    'ContextAutoencoder',
    'ConvStem',
    'DALLETokenizer',
    'HybridViT',
    'InfoNCELoss',
    'MaskedReconstruction',
    'ReconstructionHead',
    'TokenHead',
    'build_model',
    'plain_encoder',
]
