"""What a run needs beyond mmengine: hooks, precision, checkpoints."""

from .momentum_hook import MomentumUpdateHook
from .optim import PrecisionOptimWrapper, PretrainOptimWrapperConstructor
from .progress import ProgressHook
from .start import LoadWeightsHook

__all__ = [
    'LoadWeightsHook',
    'MomentumUpdateHook',
    'PrecisionOptimWrapper',
    'PretrainOptimWrapperConstructor',
    'ProgressHook',
]
