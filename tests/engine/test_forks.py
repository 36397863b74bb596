import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

from cmae_mm.engine import StopHook
from cmae_mm.engine.stop_hook import SIGNALS

FORK = multiprocessing.get_context('fork')


def say_and_wait(connection: Connection) -> None:
    connection.send([str(signal.getsignal(number)) for number in SIGNALS])
    lock = FORK.Lock()
    with lock:
        lock.acquire()  # without end, as a pool's process waits for a task


def told_by_a_fork(end) -> tuple[list[str], int | None]:
    """Fork a process and end it: what it does with a run's signals, and its exit code."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=say_and_wait, args=(there,))
    process.start()
    try:
        told = here.recv()
        os.kill(process.pid, end)
        process.join(60)
        return told, process.exitcode
    finally:
        process.kill()


def test_sigterm_ends_what_a_run_has_forked():
    hook = StopHook()
    hook.before_train(None)
    try:
        told, exit_code = told_by_a_fork(signal.SIGTERM)
    finally:
        hook.release()
    by_the_kernel, ignored = str(signal.SIG_DFL), str(signal.SIG_IGN)
    assert told == [by_the_kernel, ignored, ignored] and exit_code == -signal.SIGTERM


def test_forks_outside_a_run_keep_their_handlers():
    before = [str(signal.getsignal(number)) for number in SIGNALS]
    assert told_by_a_fork(signal.SIGKILL) == (before, -signal.SIGKILL)
