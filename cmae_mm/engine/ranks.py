"""Several ranks on CPUs: real processes joined by gloo."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.multiprocessing
from mmengine.config import Config
from torch import distributed


def fit_to_cpu(cfg: Config) -> None:
    """Let a Runner work on a machine without GPUs, in one process or in several.

    - Batch norm of maps across ranks exists on GPUs only: plain takes its place.
    - mmengine selects a CUDA device whatever the backend is. With the process group
      made beforehand, from the launcher's environment, it does not, and takes the
      config's wrapper for CPU modules.

    Does nothing where there are GPUs.

    Args:
        cfg: of the Runner, changed in place.
    """
    if torch.cuda.is_available():
        return
    if cfg.model.type != 'CMAE':  # whose norms are of vectors; it replaces them itself
        _replace_sync_batch_norm(cfg.model)
    if cfg.get('launcher', 'none') != 'none':
        distributed.init_process_group('gloo')
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
        )


def _replace_sync_batch_norm(part) -> None:
    if isinstance(part, dict):
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for value in part:
        _replace_sync_batch_norm(value)


def run_ranks(function: Callable[..., dict], world: int, *args) -> list[dict]:
    """Run ``function(rank, *args)`` in ``world`` processes, one thread each.

    A single rank runs in this process.

    Args:
        function: at the top level of its module; returns tensors and numbers,
            in dicts.
        world: number of ranks.
        *args: for every rank, picklable.

    Returns:
        what the ranks returned, in their order.
    """
    if world == 1:
        return [function(0, *args)]
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_run, (function, world, folder, args), nprocs=world)
        return [torch.load(Path(folder, f'{rank}.pt'), weights_only=True) for rank in range(world)]


def _run(rank: int, function: Callable, world: int, folder: str, args: tuple) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=world
    )
    torch.save(function(rank, *args), Path(folder, f'{rank}.pt'))
    distributed.destroy_process_group()
