"""Killing a run at random moments, and starting it again."""

import contextlib
import multiprocessing
import os
import random
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, RUNNERS

from cmae_mm.checkpoints import load_run
from cmae_mm.engine.resume import newest_checkpoint
from tests.helpers.runs import differences, state

ROOT = Path(__file__).parents[2]
INTERVAL = 5  # iterations between checkpoints


@HOOKS.register_module()
class ProgressFileHook(Hook):
    """Keeps in a file how many iterations are complete, and when this process made its first."""

    def before_train(self, runner):
        self.file = os.open(Path(runner.work_dir, 'progress'), os.O_RDWR | os.O_CREAT)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        os.pwrite(self.file, f'{runner.iter + 1:9} {time.time():.3f}\n'.encode(), 0)
        first = Path(runner.work_dir, 'first')
        if not first.exists():
            first.write_text(f'{time.time():.3f}')


class Kills(NamedTuple):
    """What became of a run that was killed again and again.

    Attributes:
        survived: kills after which a whole checkpoint was there, or none was due yet.
        while_writing: kills that left a half-written file.
        lost: iterations lost by each.
        seconds_to_resume: from a process's start to its first complete iteration, of each that
            came so far.
        differing: names of the tensors and numbers of the final checkpoint that differ from
            those of a run that was never killed.
        compared: how many there are.
    """

    survived: int
    while_writing: int
    lost: list[int]
    seconds_to_resume: list[float]
    differing: list[str]
    compared: int

    def summary(self) -> str:
        """Return the figures as a line."""
        resumed = (
            f'{statistics.median(self.seconds_to_resume):.1f} s'
            if self.seconds_to_resume
            else 'none'
        )
        return (
            f'{self.survived} of {len(self.lost)} survived ({self.while_writing} while writing); '
            f'lost: mean {statistics.mean(self.lost):.1f}, at most {max(self.lost)} of an interval '
            f'of {INTERVAL} iterations; first iteration after a start: {resumed} (median)'
        )


def config(work_dir: Path, data_root: Path, epochs: int) -> Config:
    """Return the quickstart with small batches and a checkpoint every few iterations."""
    cfg = Config.fromfile(ROOT / 'configs/cmae/cmae_quickstart.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'train_dataloader.batch_size': 32,
            'train_dataloader.dataset.data_root': str(data_root),
            'train_cfg.max_epochs': epochs,
            'param_scheduler': [],
            'default_hooks.checkpoint': dict(
                type='CheckpointHook', interval=INTERVAL, by_epoch=False, max_keep_ckpts=1
            ),
            'log_level': 'ERROR',
        }
    )
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='ProgressFileHook')]
    return cfg


def _train(cfg: Config) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(Path(cfg.work_dir, 'console.log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    RUNNERS.build(cfg).train()


def _start(cfg: Config) -> multiprocessing.Process:
    Path(cfg.work_dir).mkdir(parents=True, exist_ok=True)
    Path(cfg.work_dir, 'first').unlink(missing_ok=True)
    process = multiprocessing.get_context('forkserver').Process(target=_train, args=(cfg,))
    process.start()
    return process


def _progress(folder: Path) -> int:
    try:
        return int((folder / 'progress').read_text().split()[0])
    except FileNotFoundError:
        return 0


def kill_and_resume(folder: Path, kills: int, epochs: int, seed: int = 0) -> Kills:
    """Kill a run, start it again, and compare its end with that of a run that was left alone.

    Args:
        folder: for both runs and their images.
        kills: how many SIGKILLs, at moments drawn from the time that a start takes and the time
            of four intervals after it; every second one waits from there for the next file that
            is being written.
        epochs: length of the run; further runs begin when it has ended before the last kill.
        seed: of the moments.
    """
    draw = random.Random(seed)
    whole = config(folder / 'whole', folder / 'images', epochs)
    started = time.time()
    process = _start(whole)
    process.join()
    assert process.exitcode == 0, (folder / 'whole' / 'console.log').read_text()[-2000:]
    last = f'iter_{_progress(folder / "whole")}.pth'
    first = float((folder / 'whole' / 'first').read_text())
    startup = first - started
    per_step = (time.time() - first) / _progress(folder / 'whole')

    work_dir = folder / 'killed'
    survived = while_writing = 0
    lost: list[int] = []
    seconds: list[float] = []
    while len(lost) < kills:
        cfg = config(work_dir, folder / 'images', epochs)
        cfg.resume = True
        started = time.time()
        process = _start(cfg)
        process.join(draw.uniform(0, startup + 4 * INTERVAL * per_step))
        if len(lost) % 2:  # at a moment of writing, which random moments seldom are
            while process.is_alive() and not any(work_dir.glob('.*writing-*')):
                pass
        if process.exitcode == 0:  # it came to its end
            work_dir = folder / f'killed{len(lost)}'
            continue
        process.kill()
        process.join()
        if (work_dir / 'first').exists():
            seconds.append(float((work_dir / 'first').read_text()) - started)
        while_writing += any(work_dir.glob('.*writing-*'))
        done, kept = _progress(work_dir), 0
        try:
            with contextlib.redirect_stdout(None):
                path = newest_checkpoint(work_dir)
            kept = load_run(path)['meta']['iter'] if path else 0
            survived += path is not None or done < INTERVAL
        except ValueError:
            pass  # what the run would say at its next start
        # the step in which it was killed may be saved, and not yet be in the file of progress
        lost.append(max(done - kept, 0))
        (work_dir / 'progress').write_text(f'{kept:9}\n')
        if len(lost) % 10 == 0:
            print(f'  {len(lost)} kills, {survived} survived', flush=True)
    cfg = config(work_dir, folder / 'images', epochs)
    cfg.resume = True
    process = _start(cfg)
    process.join()
    assert process.exitcode == 0, (work_dir / 'console.log').read_text()[-2000:]
    there, here = (state(folder / name / last) for name in ('whole', work_dir.name))
    differing = differences(there, here)
    return Kills(survived, while_writing, lost, seconds, differing, len(there))
