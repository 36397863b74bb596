"""Ending a run in order: signals, and what hooks report."""

import signal
import sys
import threading
from types import FrameType

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .agreement import Agreement

# sysexits.h: EX_TEMPFAIL, try again later
INTERRUPTED = 75
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@HOOKS.register_module()
class StopHook(Hook):
    """Let all ranks finish a step, save one checkpoint and end when one of them gets a signal.

    The signals are SIGTERM and SIGUSR1 (a scheduler's) and Ctrl-C; a second Ctrl-C ends the
    process at once. The checkpoint is ``interrupted.pth`` in the work folder, from which
    ``--resume`` goes on; the exit status is 75. With accumulated gradients the optimiser's next
    step is awaited.

    Args:
        peer_timeout: seconds after which a rank that does not answer is taken for lost.
    """

    priority = 'LOWEST'

    def __init__(self, peer_timeout: float = 300) -> None:
        self.peer_timeout = peer_timeout
        self.received: signal.Signals | None = None
        self.replaced: dict[signal.Signals, object] = {}

    def before_train(self, runner: Runner) -> None:
        self.agreement = Agreement(self.peer_timeout)
        self.stopping = False
        if threading.current_thread() is threading.main_thread():
            self.replaced = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, self.replaced[number])

    def _restore(self) -> None:
        for number, handler in self.replaced.items():
            signal.signal(number, handler)
        self.replaced = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        wanted = self.agreement.maximum(self.received or 0)
        self.stopping = self.stopping or bool(wanted)
        if not self.stopping or not runner.optim_wrapper.should_update():
            return
        if runner.iter + 1 == runner.max_iters:
            return  # training ends anyhow
        print_log(
            f'{signal.Signals(wanted).name if wanted else "a signal"} at iteration '
            f'{runner.iter + 1}: saving interrupted.pth, then ending with status {INTERRUPTED}; '
            '--resume goes on from here',
            'current',
        )
        runner.save_interrupted()
        self.agreement.meet()  # launchers end the other ranks when one has ended
        self._restore()
        sys.exit(INTERRUPTED)

    def after_train(self, runner: Runner) -> None:
        self._restore()


def outlive_signals() -> None:
    """Let a data worker go on when its group gets the signals that end a run.

    The run needs its batches to finish the step. A worker that is told to terminate because
    its run has ended does so, a minute late if the run itself had been told before.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _end_later())


def _end_later() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(60)
