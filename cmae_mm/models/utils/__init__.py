"""Parts that methods share: masks, targets that move or do not, positions, normalisation."""

from .build import build_model
from .cae_data_preprocessor import CAEDataPreprocessor
from .data_preprocessor import CMAEDataPreprocessor
from .frozen import FrozenTeacher
from .masking import PatchMask, PatchMasking, as_patch_mask, inverted, removed_patches
from .momentum import MomentumPairs
from .plain import plain_encoder
from .position_embedding import sincos_position_embedding
from .tokenizer import DALLETokenizer
from .tokens import as_tokens

__all__ = [
    'CAEDataPreprocessor',
    'CMAEDataPreprocessor',
    'DALLETokenizer',
    'FrozenTeacher',
    'MomentumPairs',
    'PatchMask',
    'PatchMasking',
    'as_patch_mask',
    'as_tokens',
    'build_model',
    'inverted',
    'plain_encoder',
    'removed_patches',
    'sincos_position_embedding',
]
