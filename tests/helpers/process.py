"""Running a tool as a user does."""

import contextlib
import io
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

ROOT = Path(__file__).parents[2]


def run_process(*command):
    """Run it from the project's root, one thread a process; returns it with its output."""
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'OMP_NUM_THREADS': '1',
            'PORT': str(free_port()),
        },
    )


def run_here(tool, *arguments):
    """Run a tool in this process, which spares it the seconds of importing the hosts."""
    # Named by the second: two runs within one would share them, and write to the first's folder.
    for kind in (MMLogger, MessageHub, Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    command = [tool, *map(str, arguments)]
    with mock.patch.object(sys, 'argv', command), mock.patch.dict(os.environ):
        runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')


def process_here(tool, *arguments):
    """The same, with its output and status as of a process of its own."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_here(tool, *arguments)
        except SystemExit as stopped:
            status = stopped.code
            if isinstance(status, str):  # as Python does with it
                status = print(status, file=err) or 1
    return subprocess.CompletedProcess([tool], status or 0, out.getvalue(), err.getvalue())


def free_port():
    with socket.socket() as any_port:
        any_port.bind(('127.0.0.1', 0))
        return any_port.getsockname()[1]
