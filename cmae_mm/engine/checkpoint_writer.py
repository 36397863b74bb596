"""Writing checkpoints while training goes on."""

from collections.abc import Callable
from concurrent import futures
from pathlib import Path

from cmae_mm.checkpoints import replacing, write_torch


class CheckpointWriter:
    """Runs jobs in their order, in one thread beside the training.

    After a job has failed the next ones are dropped, until ``wait`` has raised its error: so a
    job may rely on those before it.
    """

    def __init__(self) -> None:
        self.thread = futures.ThreadPoolExecutor(1, thread_name_prefix='checkpoints')
        self.pending: list[futures.Future] = []
        self.failed = False

    def submit(self, job: Callable, *args) -> None:
        """Run ``job(*args)`` after those submitted before."""
        self.pending.append(self.thread.submit(self._run, job, *args))

    def check(self) -> None:
        """Look whether a job has failed, without waiting for any.

        Raises:
            Exception: that of the first job that failed.
        """
        if self.failed:
            self.wait()

    def settle(self, seconds: float | None = None) -> None:
        """Wait for all jobs, but no longer than so many seconds; raises no job's error."""
        futures.wait(self.pending, timeout=seconds)

    def wait(self) -> None:
        """Wait for all jobs.

        Raises:
            Exception: that of the first job that failed.
        """
        pending, self.pending = self.pending, []
        errors = [job.exception() for job in pending]
        self.failed = False
        for error in filter(None, errors):
            raise error

    def _run(self, job: Callable, *args) -> None:
        if self.failed:
            return
        try:
            job(*args)
        except BaseException:
            self.failed = True
            raise


def write_checkpoint(checkpoint: dict, path: Path) -> None:
    """Write a checkpoint that appears under its name once it is complete and on the disk.

    Raises:
        OSError: it can't be written.
    """
    with replacing(path) as temporary:
        write_torch(checkpoint, temporary)
