import multiprocessing
import os
import signal

from cmae_mm.engine import StopHook


def say_and_wait(connection):
    connection.send('here')  # a signal before the fork is complete is lost
    while True:
        signal.pause()


def test_what_a_run_has_forked_ends_by_a_signal(monkeypatch):
    # what is at work when a group gets the signal has a minute to end it
    monkeypatch.setattr(signal, 'alarm', lambda _: signal.setitimer(signal.ITIMER_REAL, 0.1))
    hook = StopHook()
    hook.process = os.getpid()
    before = signal.signal(signal.SIGTERM, hook._receive)
    try:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context('fork').Process(target=say_and_wait, args=(there,))
        process.start()
        assert here.recv() == 'here'
        process.terminate()
        process.join(60)
        assert process.exitcode == -signal.SIGALRM and hook.received is None
    finally:
        signal.signal(signal.SIGTERM, before)
        process.kill()
