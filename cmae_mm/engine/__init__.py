"""What a run needs beyond mmengine: hooks, precision, checkpoints."""

from .momentum_hook import MomentumUpdateHook
from .optim import MixedPrecisionOptimWrapper, PretrainOptimWrapperConstructor

__all__ = [
    'MixedPrecisionOptimWrapper',
    'MomentumUpdateHook',
    'PretrainOptimWrapperConstructor',
]
