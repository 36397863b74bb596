"""Ending a run whose numbers are no longer finite."""

import logging
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from cmae_mm.datasets import image_path

from .finite_steps import FiniteSteps
from .resume import INTERRUPTED


@HOOKS.register_module()
class FiniteHook(Hook):
    """Leave out a step of the optimiser if the loss or the gradients are NaN or infinite.

    One rank's loss is enough for all ranks to leave the step out. ``train/skipped_steps`` in the
    log counts such steps, and ``nonfinite_steps.rank*.txt`` in the work folder lists their
    images. After ``patience`` of them in a row the run saves ``interrupted.pth``, whose weights
    are those from before the first of them, and ends with an error.

    On a GPU nothing waits for the answer if the optimiser is one of torch's fused ones; with
    any other, each step costs one synchronisation. With a loss scale (float16) a few such steps
    are normal: each halves the scale.

    Args:
        patience: number of steps in a row after which the run ends. A loss scale of 65536 takes
            16 to come down to 1.
        check_interval: on a GPU, steps between two reports. On a CPU each step is reported.

    Raises:
        ValueError: a number below 1.
    """

    priority = 'LOWEST'

    def __init__(self, patience: int = 25, check_interval: int = 10) -> None:
        if patience < 1 or check_interval < 1:
            raise ValueError(
                f'patience={patience}, check_interval={check_interval}: must be at least 1 step'
            )
        self.patience = patience
        self.check_interval = check_interval
        self.guard: FiniteSteps | None = None

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            return  # several optimisers are left to the host
        self.guard = FiniteSteps(runner.optim_wrapper, runner.model, self.check_interval)
        on_cpu = self.guard.answers.device.type == 'cpu'
        self.interval = 1 if on_cpu else self.check_interval
        self.in_a_row = 0
        self.samples: list[int] = []  # indices of those since the last step
        self.steps: list[tuple[int, list[int]]] = []  # iteration and samples, not reported yet

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        if self.guard is None:
            return
        self.samples.extend(getattr(runner.train_loop, 'indices', []))
        if not runner.optim_wrapper.should_update():
            return
        self.steps.append((runner.iter + 1, self.samples))
        self.samples = []
        if len(self.steps) == self.interval or runner.iter + 1 == runner.max_iters:
            self._report(runner, self.guard)

    def release(self) -> None:
        """Give the optimiser's wrapper its own methods back."""
        if self.guard is not None:
            self.guard.release()
            self.guard = None

    def _report(self, runner: Runner, guard: FiniteSteps) -> None:
        steps, self.steps = self.steps, []
        found = runner.message_hub.runtime_info.get('skipped_steps', 0)
        for (iteration, samples), (left_out, own) in zip(steps, guard.take()):
            self.in_a_row = self.in_a_row + 1 if left_out else 0
            if left_out:
                found += 1
                images = _images(runner, samples)
                _list(runner, iteration, images, own)
        if found:
            runner.message_hub.update_info('skipped_steps', found)
            runner.message_hub.update_scalar('train/skipped_steps', found)
        if self.in_a_row >= self.patience:
            self._end(runner, iteration, images)

    def _end(self, runner: Runner, iteration: int, images: list[str]) -> None:
        runner.request_stop(
            FloatingPointError(
                f'the loss or the gradients were not finite in {self.in_a_row} steps in a row, up '
                f'to iteration {iteration}: none of them was made, and {INTERRUPTED} has the '
                f'weights from before. {_file(runner)} lists their images, the last '
                f'{", ".join(images[:3])}, .... Look at these; try a lower '
                'optim_wrapper.optimizer.lr, optim_wrapper.clip_grad.max_norm=1.0, or '
                'optim_wrapper.dtype=bfloat16 instead of float16; then --resume'
            )
        )


def _file(runner: Runner) -> Path:
    return Path(runner.work_dir, f'nonfinite_steps.rank{get_rank()}.txt')


def _images(runner: Runner, samples: list[int]) -> list[str]:
    return [image_path(runner.train_dataloader.dataset, sample) for sample in samples]


def _list(runner: Runner, iteration: int, images: list[str], own: bool) -> None:
    """Log a step that was left out, and add its images to the file of this rank."""
    reason = 'the loss' if own else "the gradients, or another rank's loss,"
    print_log(
        f'iteration {iteration}: {reason} is not finite; the step is left out',
        'current',
        logging.WARNING,
    )
    with _file(runner).open('a', errors='backslashreplace') as file:
        file.writelines(f'iteration {iteration}: {image}\n' for image in images)
