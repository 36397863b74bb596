"""Jobs that run at once, each in a process and with a thread of its own."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from cmae_mm.engine.errors import one_line_errors
from cmae_mm.engine.stop_hook import STATUS


def run_together(function: Callable, jobs: dict[str, tuple]) -> Iterator[tuple[str, Any]]:
    """Call ``function(*arguments)`` for all jobs at once.

    The first job that fails ends the others; so do Ctrl-C and SIGTERM.

    Args:
        function: defined at the top level of its module.
        jobs: arguments by name; they and the results are picklable.

    Yields:
        name and result of each job, in the order in which they end.

    Raises:
        SystemExit: a job has failed; with the line that says why, see
            :func:`~cmae_mm.engine.errors.one_line_errors`.
    """
    # forked from a process without threads: see cmae_mm.engine.ranks.run_ranks
    context = multiprocessing.get_context('forkserver')
    running: dict[Any, tuple[str, BaseProcess]] = {}  # by the pipe that its result comes from
    # SIGTERM as an exception, so that the jobs are ended first
    replaced = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(STATUS))
    try:
        for name, arguments in jobs.items():
            receiver, sender = context.Pipe(duplex=False)
            job = context.Process(target=_run, args=(sender, function, arguments))
            job.start()
            sender.close()
            running[receiver] = name, job
        while running:
            for ended in wait(list(running)):
                name, process = running[ended]
                result = _result(name, process, ended)
                del running[ended]
                yield name, result
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()
        signal.signal(signal.SIGTERM, replaced)


def _run(sender: Connection, function: Callable, arguments: tuple) -> None:
    torch.set_num_threads(1)
    try:
        with one_line_errors():
            result = function(*arguments)
    except SystemExit as ended:
        result = ended
    sender.send(result)


def _result(name: str, process: BaseProcess, receiver: Any) -> Any:
    """Wait for the end of a job and return its result, or raise what ended it."""
    try:
        result = receiver.recv()
    except EOFError:  # it has printed a traceback, or was killed
        process.join()
        status = process.exitcode or 1
        if status > 0:
            result = SystemExit(status)
        else:
            killer = signal.Signals(-status).name
            result = SystemExit(f'error: {name}: killed by {killer}; dmesg says if memory ran out')
    process.join()
    if isinstance(result, SystemExit):
        raise result
    return result
