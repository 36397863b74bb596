"""Images per second in the log, and how far a run has come on the console."""

import sys
from collections.abc import Mapping

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor
from tqdm import tqdm

from .console import LiveLine, fit, is_brief, is_terminal, say

_MOST_LOSSES = 3  # of more, as detectors have, only the sum is shown
_PLAIN_WIDTH = 200


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show how fast training is and how far it has come.

    Puts ``train/images_per_s``, the throughput over all ranks, in the message hub, from which
    mmengine's ``LoggerHook`` prints it next to the losses. On rank 0, if standard output and the
    error stream are a terminal, a live line shows step, epoch, time left, losses, images per
    second, share of the time spent waiting for data, and the peak of memory. Elsewhere a brief
    console (:func:`~cmae_mm.engine.console.console`) gets the same as a line per logging interval.

    On a GPU the losses are those of the latest logging interval: no step waits for them.

    Needs mmengine's ``IterTimerHook``, one of its default hooks.

    Args:
        window: number of latest steps over which rates are averaged.
    """

    # after IterTimerHook (NORMAL), before LoggerHook (BELOW_NORMAL)
    priority = 55

    def __init__(self, window: int = 20) -> None:
        self.window = window
        self.line: LiveLine | None = None
        self.losses: dict[str, float] = {}

    def before_run(self, runner: Runner) -> None:
        self.interval = next(
            (hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 10
        )
        self.line = None
        if is_main_process() and is_terminal():
            self.line = LiveLine([runner.logger])
            self.line.show(['loading the first batch'])

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        hub = runner.message_hub
        batch_size = runner.train_dataloader.batch_sampler.batch_size
        seconds = hub.get_scalar('train/time').mean(self.window)
        rate = batch_size * get_world_size() / seconds
        hub.update_scalar('train/images_per_s', rate)
        logs = self._logs(runner.train_dataloader, batch_idx)
        if not self._is_due(logs, runner.iter + 1 == runner.max_iters):
            return
        losses = {name: value for name, value in (outputs or {}).items() if 'loss' in name}
        if logs or all(_is_here(value) for value in losses.values()):
            self.losses = {name: _number(value) for name, value in losses.items()}
        waiting = hub.get_scalar('train/data_time').mean(self.window) / seconds
        self._show(
            f'{runner.iter + 1}/{runner.max_iters}',
            f'epoch {runner.epoch + 1}/{runner.max_epochs}' if runner.max_epochs > 1 else '',
            _time_left(hub),
            _brief_losses(self.losses),
            f'{rate:.{0 if rate >= 100 else 1}f} img/s',
            f'data {waiting:.0%}',
            f'{peak_memory() / 2**30:.1f} GB',
        )

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        self._follow('validation', runner, runner.val_dataloader, batch_idx)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        self._follow('test', runner, runner.test_dataloader, batch_idx)

    def _follow(self, what: str, runner: Runner, loader, batch_idx: int) -> None:
        if self._is_due(self._logs(loader, batch_idx), batch_idx + 1 == len(loader)):
            self._show(f'{what} {batch_idx + 1}/{len(loader)}', _time_left(runner.message_hub))

    def _logs(self, loader, batch_idx: int) -> bool:
        """Whether mmengine's LoggerHook has a line for this step."""
        if self.every_n_inner_iters(batch_idx, self.interval):
            return True
        return self.end_of_epoch(loader, batch_idx) and len(loader) <= self.interval

    def _is_due(self, logs: bool, last: bool) -> bool:
        if self.line is not None:
            return last or logs or self.line.is_due()
        return logs and is_brief() and is_main_process()

    def _show(self, *fields: str) -> None:
        shown = [field for field in fields if field]
        if self.line is not None:
            self.line.show(shown)
        else:
            say(fit(shown, _PLAIN_WIDTH))

    def after_run(self, runner: Runner) -> None:
        if self.line is not None:
            self.line.close()


def _is_here(value: Tensor | float) -> bool:
    return not isinstance(value, Tensor) or value.device.type == 'cpu'


def _number(value: Tensor | float) -> float:
    return value.item() if isinstance(value, Tensor) else value


def _time_left(hub) -> str:
    return f'{tqdm.format_interval(hub.get_info("eta"))} left'


def _brief_losses(losses: Mapping[str, float]) -> str:
    """The parts of a loss if they are few, else their sum."""
    parts = {name.removeprefix('loss_'): v for name, v in losses.items() if name != 'loss'}
    if not 1 <= len(parts) <= _MOST_LOSSES:
        parts = {'': losses['loss']} if 'loss' in losses else {}
    shown = (f'{name} {value:#.3g}'.strip() for name, value in parts.items())
    return f'loss {" ".join(shown)}' if parts else ''


def peak_memory() -> int:
    """Most bytes that this process has used so far: of the GPU's memory if there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # not Unix
        return 0
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
