"""What a run needs beyond mmengine: hooks, precision, optimiser groups, ranks on CPUs."""

from .checkpoint_hook import SafeCheckpointHook
from .contrast_hook import ContrastDiagnosisHook
from .finite_hook import FiniteHook
from .loops import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop
from .momentum_hook import MomentumUpdateHook
from .optim_constructors import (
    LayerDecayOptimWrapperConstructor,
    PretrainOptimWrapperConstructor,
)
from .precision import PrecisionOptimWrapper
from .progress import ProgressHook
from .ranks import CPUDistributedDataParallel
from .runner import SafeRunner
from .skipped_images_hook import SkippedImagesHook
from .start import LoadWeightsHook
from .stop_hook import StopHook
from .summary_hook import SummaryHook
from .trackers import ClearMLTracker, MLflowTracker, TensorboardTracker, WandbTracker

__all__ = [
    'CPUDistributedDataParallel',
    'ClearMLTracker',
    'ContrastDiagnosisHook',
    'FiniteHook',
    'LayerDecayOptimWrapperConstructor',
    'LoadWeightsHook',
    'MLflowTracker',
    'MomentumUpdateHook',
    'PrecisionOptimWrapper',
    'PretrainOptimWrapperConstructor',
    'ProgressHook',
    'ResumableEpochBasedTrainLoop',
    'ResumableIterBasedTrainLoop',
    'SafeCheckpointHook',
    'SafeRunner',
    'SkippedImagesHook',
    'StopHook',
    'SummaryHook',
    'TensorboardTracker',
    'WandbTracker',
]
