"""Losses: functions of tensors to a scalar."""

from .contrastive import BYOLLoss, InfoNCELoss

__all__ = ['BYOLLoss', 'InfoNCELoss']
