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

import torch
import torch.multiprocessing
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

from cmae_mm.engine.ranks import fit_to_cpu

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


def fork_ranks(function, world, *args):
    """Run ``function(rank, *args)`` in processes forked from one that has imported the hosts."""
    torch.multiprocessing.start_processes(function, args, nprocs=world, start_method='forkserver')


def become_rank(rank, port, cfg=None):
    """Make this process one of two, on CPUs; a Runner's config is fitted to it."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2')
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    if cfg is not None:
        cfg.launcher = 'pytorch'
        fit_to_cpu(cfg)


def run_on_two_ranks(tool, *arguments):
    """Run a tool as ``tools/dist_launch.sh`` does, without its seconds of imports per rank."""
    fork_ranks(_tool_on_a_rank, 2, free_port(), tool, arguments)


def _tool_on_a_rank(rank, port, tool, arguments):
    become_rank(rank, port)
    os.chdir(ROOT)
    run_here(tool, *arguments, '--launcher', 'pytorch')


def free_port():
    with socket.socket() as any_port:
        any_port.bind(('127.0.0.1', 0))
        return any_port.getsockname()[1]
