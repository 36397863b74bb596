"""Parts that methods share: masks, targets that move or do not, positions, normalisation."""

from .build import build_model
from .cae_data_preprocessor import CAEDataPreprocessor
from .data_preprocessor import CMAEDataPreprocessor
from .frozen import FrozenTeacher
from .masking import PatchMask, PatchMasking, as_patch_mask, inverted, removed_patches
from .momentum import MomentumPairs
from .position_embedding import sincos_position_embedding
from .tokenizer import DALLETokenizer

__all__ = [
    'CAEDataPreprocessor',
    'CMAEDataPreprocessor',
    'DALLETokenizer',
    'FrozenTeacher',
    'MomentumPairs',
    'PatchMask',
    'PatchMasking',
    'as_patch_mask',
    'build_model',
    'inverted',
    'removed_patches',
    'sincos_position_embedding',
]
