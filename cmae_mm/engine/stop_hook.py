"""Ending a run in order: signals, and what hooks report."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .agreement import PEER_TIMEOUT, Agreement
from .batch import completes_step
from .resume import INTERRUPTED

STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_ERROR = 128  # more than any signal's number


@HOOKS.register_module()
class StopHook(Hook):
    """Let all ranks finish a step, save one checkpoint and end when one of them is to stop.

    It is to stop when it gets SIGTERM or SIGUSR1 (from a scheduler) or Ctrl-C, of which a second
    one ends the process at once, or when a hook has called ``runner.request_stop(error)``. The
    checkpoint is ``interrupted.pth`` in the work folder, from which ``--resume`` goes on. After a
    signal the exit status is 75; an error is raised, on the other ranks one that names the cause.
    With accumulated gradients the optimiser's next step is awaited.

    Args:
        peer_timeout: seconds after which a rank that does not answer is taken for lost.
    """

    priority = 'LOWEST'

    def __init__(self, peer_timeout: float = PEER_TIMEOUT) -> None:
        self.peer_timeout = peer_timeout
        self.received: signal.Signals | None = None
        self.replaced: dict[int, Any] = {}

    def before_train(self, runner: Runner) -> None:
        self.agreement = Agreement('MAX', self.peer_timeout)
        self.wanted = 0  # by any rank: the number of a signal, or _ERROR
        if threading.current_thread() is threading.main_thread():
            self.replaced = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, self.replaced[number])

    def release(self) -> None:
        """Give the signals back to those who had them before training."""
        for number, handler in self.replaced.items():
            signal.signal(number, handler)
        self.replaced = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        wanted = _ERROR if runner.stop_error else self.received or 0
        self.wanted = max(self.wanted, *self.agreement.exchange([wanted]))
        if not self.wanted or not completes_step(runner.optim_wrapper):
            return
        if runner.iter + 1 == runner.max_iters:
            return  # training ends anyhow
        print_log(
            f'{_reason(self.wanted)} at iteration {runner.iter + 1}: saving {INTERRUPTED}, then '
            'ending; --resume goes on from here',
            'current',
        )
        runner.save_interrupted()
        self.agreement.meet()  # launchers end the other ranks when one has ended
        if self.wanted < _ERROR:
            sys.exit(STATUS)
        raise runner.stop_error or RuntimeError('another rank has ended with an error: see its log')

    def after_train(self, runner: Runner) -> None:
        if runner.stop_error:
            raise runner.stop_error


def _reason(wanted: int) -> str:
    return 'an error' if wanted == _ERROR else signal.Signals(wanted).name


def outlive_signals(worker: int, start: Callable[[int], None] | None = None) -> None:
    """Let a data worker go on when its group gets the signals that end a run.

    The run needs its batches to finish the step. A worker that is told to terminate because
    its run has ended does so, a minute late if the run itself had been told before.

    Args:
        worker: its number; this is a loader's ``worker_init_fn``.
        start: another one, called afterwards.
    """
    _ignore_interrupts()
    signal.signal(signal.SIGTERM, _end_later)
    if start is not None:
        start(worker)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _end_later(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(60)


def _leave_the_run() -> None:
    """Let SIGTERM end what a run has forked, such as the pool of an evaluation, which waits for it.

    No handler would do: Python's run between two instructions, and a process that goes on to wait
    for a lock as a signal arrives has no next one.
    """
    if isinstance(getattr(signal.getsignal(signal.SIGTERM), '__self__', None), StopHook):
        _ignore_interrupts()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_leave_the_run)
