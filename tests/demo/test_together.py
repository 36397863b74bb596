import multiprocessing
import os
import signal

import pytest
import torch

from cmae_mm.demo.together import run_together
from cmae_mm.engine.stop_hook import STATUS

CONTEXT = multiprocessing.get_context('forkserver')
SECONDS = 60  # until a job that nobody ends gives up


def meet(barrier, number):
    barrier.wait(SECONDS)
    return number, torch.get_num_threads()


def test_jobs_run_at_once_with_a_thread_each():
    barrier = CONTEXT.Barrier(2)
    jobs = {'a': (barrier, 1), 'b': (barrier, 2)}
    assert dict(run_together(meet, jobs)) == {'a': (1, 1), 'b': (2, 1)}


def fail(barrier, how):
    barrier.wait(SECONDS)
    how()


def last(barrier, path):
    barrier.wait(SECONDS)
    CONTEXT.Event().wait(SECONDS)
    path.touch()


def refuse():
    raise ValueError('a checkpoint of\nanother size')


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(0)  # as a library may


def call(function, *arguments):
    return function(*arguments)


class Terminate:
    """SIGTERM to the process that waits for the jobs."""

    def __init__(self):
        self.pid = os.getpid()

    def __call__(self):
        os.kill(self.pid, signal.SIGTERM)
        CONTEXT.Event().wait(SECONDS)


@pytest.mark.parametrize(
    ('how', 'status'),
    [
        (refuse, 'error: a checkpoint of another size (CMAE_MM_TRACEBACK=1 shows where)'),
        (kill_itself, 'error: a: killed by SIGKILL; dmesg says if memory ran out'),
        (leave, 1),
        (Terminate(), STATUS),
    ],
    ids=['error', 'killed', 'left without a result', 'terminated'],
)
def test_one_that_fails_ends_the_other(how, status, tmp_path):
    barrier, before = CONTEXT.Barrier(2), signal.getsignal(signal.SIGTERM)
    jobs = {'a': (fail, barrier, how), 'b': (last, barrier, tmp_path / 'lasted')}
    with pytest.raises(SystemExit) as ended:
        list(run_together(call, jobs))
    assert ended.value.code == status
    assert multiprocessing.active_children() == [] and not any(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before
