"""What the checks and the checkpoints of a run cost, at the size of a ViT-B."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/cmae/cmae_vit-base-p16_folder.py'
BATCH = 8


class Overhead(NamedTuple):
    """Seconds on this machine, batch 8.

    Attributes:
        step: of training, median.
        finite: of looking for numbers that are not finite, per step.
        diagnosis: of the diagnosis of the contrast, per step that has it.
        every: steps between two of these.
        stall: for which a checkpoint keeps training waiting.
        write: until it is on the disk.
        size: of the checkpoint, in bytes.
        precision: of the step.
    """

    step: float
    finite: float
    diagnosis: float
    every: int
    stall: float
    write: float
    size: int
    precision: str

    @property
    def share(self) -> float:
        """Share of a step that both checks take."""
        return (self.finite + self.diagnosis / self.every) / self.step


class StepTimes(Hook):
    """Times steps from the loaded batch to the optimiser's step."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.seconds = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.start = time.perf_counter()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seconds.append(time.perf_counter() - self.start)


def measure(images: Path, folder: Path, steps: int = 6) -> Overhead:
    """Train a ViT-B for some steps and time its parts.

    Args:
        images: folder of at least a few images.
        folder: for the run.
        steps: at least 3.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(
        {
            'work_dir': str(folder),
            'train_dataloader.batch_size': BATCH,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.data_root': str(images),
            'param_scheduler': [],
            'default_hooks.checkpoint': None,
            'log_level': 'ERROR',
        }
    )
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps)
    runner = RUNNERS.build(cfg)
    times = StepTimes()
    runner.register_hook(times)
    (diagnosis,) = (hook for hook in runner.hooks if type(hook).__name__ == 'ContrastDiagnosisHook')
    every, diagnosis.interval = diagnosis.interval, steps  # in the last step alone
    runner.train()
    plain = statistics.median(times.seconds[1:-1])  # the first one warms up
    finite = _finite(runner)

    runner.prepare_checkpoints()  # as after the first step of a run
    runner.writer.wait()
    start = time.perf_counter()
    runner.save_checkpoint(str(folder), 'checkpoint.pth')
    stall = time.perf_counter() - start
    runner.writer.wait()
    write = time.perf_counter() - start
    size = (folder / 'checkpoint.pth').stat().st_size
    precision = str(runner.optim_wrapper.cast_dtype or torch.float32).removeprefix('torch.')
    extra = max(times.seconds[-1] - plain, 0.0)  # less than a step's noise counts as nothing
    return Overhead(plain, finite, extra, every, stall, write, size, precision)


def _finite(runner) -> float:
    """Seconds that the guard adds to a step, with gradients of the real size."""
    from cmae_mm.engine.finite_steps import FiniteSteps

    for parameter in runner.model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    runner.optim_wrapper.step = _nothing
    guard = FiniteSteps(runner.optim_wrapper, runner.model, capacity=10)
    seconds = [_time(runner.optim_wrapper.step) for _ in range(5)]
    guard.release()
    return statistics.median(seconds)


def _nothing(**kwargs) -> None:
    pass


def _time(function: Callable) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
