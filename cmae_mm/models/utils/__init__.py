"""Parts that methods share: masks, momentum targets, positions, normalisation."""

from .build import build_model
from .data_preprocessor import CMAEDataPreprocessor
from .masking import PatchMask, PatchMasking, removed_patches
from .momentum import MomentumPairs
from .position_embedding import sincos_position_embedding

__all__ = [
    'CMAEDataPreprocessor',
    'MomentumPairs',
    'PatchMask',
    'PatchMasking',
    'build_model',
    'removed_patches',
    'sincos_position_embedding',
]
