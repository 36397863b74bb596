"""Running a tool as a user does."""

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

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


def run_here(tool, *arguments, monkeypatch):
    """Run a tool in this process, which spares it the seconds of importing the hosts."""
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')


def free_port():
    with socket.socket() as any_port:
        any_port.bind(('127.0.0.1', 0))
        return any_port.getsockname()[1]
