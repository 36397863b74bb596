"""Updating the momentum target after each optimiser step."""

import math

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmpretrain.registry import HOOKS

from .batch import completes_step


@HOOKS.register_module()
class MomentumUpdateHook(Hook):
    """Set target = m * target + (1 - m) * online after each optimiser step.

    With gradient accumulation the target moves when the optimiser does. The momentum is a
    function of the iteration, so that a resumed run continues with the right value; it is
    logged as ``momentum`` and saved in checkpoints with the other logged scalars.

    Args:
        momentum: m, in [0, 1] (released code: 0.996, constant).
        end_momentum: m at the end of training, approached along half a cosine; None keeps m
            constant.
    """

    def __init__(self, momentum: float = 0.996, end_momentum: float | None = None) -> None:
        for value in (momentum, end_momentum):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f'momentum {value} is not in [0, 1]')
        self.start = momentum
        self.end = momentum if end_momentum is None else end_momentum

    def momentum_at(self, iteration: int, max_iters: int) -> float:
        """Return m at ``iteration`` (from 0) of ``max_iters``."""
        share = (1 + math.cos(math.pi * iteration / max_iters)) / 2
        return self.end + (self.start - self.end) * share

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not completes_step(runner.optim_wrapper):
            return
        momentum = self.momentum_at(runner.iter, runner.max_iters)
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        model.update_target(momentum)
        runner.message_hub.update_scalar('train/momentum', momentum)
