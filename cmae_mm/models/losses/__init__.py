"""Losses, and what describes the vectors that they compare: functions of tensors to a scalar."""

from .contrastive import BYOLLoss, InfoNCELoss
from .diagnosis import (
    alignment,
    effective_rank,
    retrieval_accuracy,
    standard_deviation,
    uniformity,
)
from .patches import PatchInfoNCELoss, PatchSmoothL1Loss
from .queue import QueuedInfoNCELoss

__all__ = [
    'BYOLLoss',
    'InfoNCELoss',
    'PatchInfoNCELoss',
    'PatchSmoothL1Loss',
    'QueuedInfoNCELoss',
    'alignment',
    'effective_rank',
    'retrieval_accuracy',
    'standard_deviation',
    'uniformity',
]
