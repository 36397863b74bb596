"""What a run needs beyond mmengine: hooks, precision, checkpoints."""

from .momentum_hook import MomentumUpdateHook
from .optim import PrecisionOptimWrapper, PretrainOptimWrapperConstructor
from .progress import ProgressHook

__all__ = [
    'PrecisionOptimWrapper',
    'MomentumUpdateHook',
    'PretrainOptimWrapperConstructor',
    'ProgressHook',
]
