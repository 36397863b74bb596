"""A full disk, a killed worker, a lost rank: a clear line ends the run, its checkpoint is whole."""

import contextlib
import os
import resource
import signal
import threading
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import load_run
from cmae_mm.engine import StopHook
from cmae_mm.engine.errors import one_line_errors
from tests.helpers.files import write_images
from tests.helpers.process import become_rank, fork_ranks, free_port
from tests.helpers.runs import EPOCHS, config, train


class AtHook(Hook):
    """Does something in the middle of an iteration."""

    priority = 'VERY_HIGH'

    def __init__(self, at, action):
        self.at, self.action = at, action

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            self.action(runner)


def last_line(cfg, at, action):
    """Train until the action ends the run; returns the line that a user gets."""
    runner = RUNNERS.build(cfg)
    runner.register_hook(AtHook(at, action))
    with pytest.raises(SystemExit) as ended, one_line_errors():
        runner.train()
    assert isinstance(ended.value.code, str)  # which exits with status 1
    return ended.value.code


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / 'images', num=11)
    return tmp_path


def limit_files(runner):
    """Let no file grow beyond a few KB, as on a full disk."""
    runner.writer.wait()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))


def fill_the_disk(rank, cfg):
    torch.set_num_threads(1)
    line = last_line(cfg, 3, limit_files)
    assert "iter_4.pth' was not written (File too large; " in line and 'GiB are free' in line


def test_a_full_disk(folder):
    cfg = config(folder, 'run', EPOCHS)
    fork_ranks(fill_the_disk, 1, cfg)
    run = folder / 'run'
    assert sorted(path.name for path in run.glob('*.pth')) == ['iter_3.pth']
    assert not list(run.glob('.*writing*'))
    assert load_run(run / 'iter_3.pth')['meta']['iter'] == 3
    cfg.resume = True
    assert train(cfg).iter == 15


def test_a_failed_write_is_noticed_at_the_next_step(folder):
    """Not only when the next checkpoint is due."""
    cfg = config(folder, 'run', EPOCHS)
    cfg.default_hooks.checkpoint.interval = 3

    seen = []

    def fail(runner):
        seen.append(runner)

        def full(*args):
            raise OSError('the disk is full')

        runner.writer.submit(full)
        while not runner.writer.failed:
            pass

    assert 'error: the disk is full' in last_line(cfg, 3, fail)
    assert seen[0].iter == 3


def test_signals_are_given_back_once_all_is_written(folder):
    """A launcher that has lost another rank would interrupt the write."""
    waited_for, handlers = threading.Event(), []

    def fail(runner):
        settle = runner.writer.settle
        runner.writer.settle = lambda: (waited_for.set(), settle())

        def write():
            assert waited_for.wait(60)
            handlers.append(signal.getsignal(signal.SIGTERM))

        runner.writer.submit(write)
        raise OSError('unreadable')

    assert 'error: unreadable' in last_line(config(folder, 'run', EPOCHS), 4, fail)
    assert isinstance(handlers[0].__self__, StopHook)


def kill_a_worker(rank, cfg):
    torch.set_num_threads(1)

    def kill(runner):
        runner.writer.wait()
        os.kill(runner.train_dataloader._iterator._workers[0].pid, signal.SIGKILL)

    line = last_line(cfg, 4, kill)
    # noticed by the signal of its end, or by the batch that does not come
    assert 'DataLoader worker' in line and 'A data worker has ended: if memory ran out' in line


def test_a_killed_worker(folder):
    cfg = config(folder, 'run', EPOCHS, workers=1)
    fork_ranks(kill_a_worker, 1, cfg)
    cfg.resume = True
    assert train(cfg).iter == 15


def lose_a_rank(rank, port, cfg, number):
    become_rank(rank, port, cfg)
    pid = Path(cfg.work_dir, 'pid.txt')
    if rank == 1:
        pid.write_text(str(os.getpid()))
        last_line(cfg, 4, lambda runner: os.kill(os.getpid(), number))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of the launcher, which has lost a rank
    line = last_line(cfg, -1, None)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)  # if it was only stopped
    assert 'nother rank' in line and 'its log says why' in line, line
    assert load_run(Path(cfg.work_dir, 'iter_4.pth'))['meta']['iter'] == 4
    Path(cfg.work_dir, 'done.txt').write_text(line)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_rank(folder, number):
    cfg = config(folder, 'run', EPOCHS)
    cfg.env_cfg = dict(dist_cfg=dict(timeout=2))
    (folder / 'run').mkdir()
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match='SIGKILL'):
        fork_ranks(lose_a_rank, 2, free_port(), cfg, number)
    assert (folder / 'run' / 'done.txt').exists()
