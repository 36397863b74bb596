"""The methods: algorithms, encoders, necks, heads and losses, in mmpretrain's folders."""

from .backbones import CMAEViT, ConvStem, HybridViT
from .heads import CMAEPretrainHead, MimCoHead, ReconstructionHead, TokenHead
from .losses import (
    BYOLLoss,
    InfoNCELoss,
    PatchInfoNCELoss,
    PatchSmoothL1Loss,
    QueuedInfoNCELoss,
)
from .necks import (
    AttentivePooling,
    CAERegressorDecoder,
    CMAEFeatureDecoder,
    CMAEPixelDecoder,
    TokenDecoder,
)
from .selfsup import CMAE, ContextAutoencoder, MaskedReconstruction, MimCo
from .utils import (
    CAEDataPreprocessor,
    CMAEDataPreprocessor,
    DALLETokenizer,
    FrozenTeacher,
    build_model,
    plain_encoder,
)

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
    'FrozenTeacher',
    'HybridViT',
    'InfoNCELoss',
    'MaskedReconstruction',
    'MimCo',
    'MimCoHead',
    'PatchInfoNCELoss',
    'PatchSmoothL1Loss',
    'QueuedInfoNCELoss',
    'ReconstructionHead',
    'TokenDecoder',
    'TokenHead',
    'build_model',
    'plain_encoder',
]
