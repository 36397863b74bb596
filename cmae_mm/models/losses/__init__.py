"""Losses, and what describes the vectors that they compare: functions of tensors to a scalar."""

from .contrastive import BYOLLoss, InfoNCELoss
from .diagnosis import (
    alignment,
    effective_rank,
    retrieval_accuracy,
    standard_deviation,
    uniformity,
)

__all__ = [
    'BYOLLoss',
    'InfoNCELoss',
    'alignment',
    'effective_rank',
    'retrieval_accuracy',
    'standard_deviation',
    'uniformity',
]
