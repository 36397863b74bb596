"""What a run needs beyond mmengine: hooks, precision, checkpoints."""

from .momentum_hook import MomentumUpdateHook
from .optim import PrecisionOptimWrapper, PretrainOptimWrapperConstructor

__all__ = [
    'PrecisionOptimWrapper',
    'MomentumUpdateHook',
    'PretrainOptimWrapperConstructor',
]
