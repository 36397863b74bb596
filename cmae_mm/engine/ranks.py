"""Several ranks on CPUs: real processes joined by gloo."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import torch
import torch.multiprocessing
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import distributed, nn

from .agreement import PEER_TIMEOUT
from .console import without_native_output


def fit_to_cpu(cfg: Config) -> None:
    """Make a Runner work without GPUs, in one process or in several.

    - mmengine selects a CUDA device for any backend, unless the process group already exists:
      it is created here, from the launcher's environment, and
      :class:`CPUDistributedDataParallel` wraps the model.
    - mmcv's operators support neither bfloat16 nor, on CPUs, float16: detectors use float32.

    Does nothing if there are GPUs.

    Args:
        cfg: of the Runner, changed in place.

    Raises:
        ValueError: the launcher's environment does not say which rank this is.
    """
    if torch.cuda.is_available():
        return
    wrapper = cfg.get('optim_wrapper') or {}
    if cfg.get('default_scope') == 'mmdet' and 'PrecisionOptimWrapper' in wrapper.get('type', ''):
        if wrapper.get('dtype') != 'float32':
            print_log("float32: the only precision of mmcv's operators (nms) on CPUs", 'current')
        wrapper['dtype'] = 'float32'
    if cfg.get('launcher', 'none') != 'none':
        os.environ.update(rendezvous(cfg.launcher, os.environ))
        dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
        timeout = timedelta(seconds=dist_cfg.get('timeout', PEER_TIMEOUT))
        with without_native_output():
            distributed.init_process_group('gloo', timeout=timeout)
        cfg.model_wrapper_cfg = dict(
            type='CPUDistributedDataParallel',
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper of a model, for ranks on CPUs.

    Batch norm across ranks exists on GPUs only (torch's SyncBatchNorm refuses CPU ranks):
    here each rank normalises its own batch. In a single process mmengine's Runner does the
    same with any model.

    Args:
        module: the model.
        find_unused_parameters: of torch's DistributedDataParallel.
        **kwargs: ignored; mmengine passes device ids.
    """

    def __init__(self, module: nn.Module, find_unused_parameters: bool = False, **kwargs) -> None:
        super().__init__(
            revert_sync_batchnorm(module),
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=find_unused_parameters,
        )


# each launcher's names for RANK, WORLD_SIZE and LOCAL_RANK
_RANK_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': (
        'OMPI_COMM_WORLD_RANK',
        'OMPI_COMM_WORLD_SIZE',
        'OMPI_COMM_WORLD_LOCAL_RANK',
    ),
}
_STARTERS = {'pytorch': 'tools/dist_train.sh', 'slurm': 'tools/slurm_train.sh', 'mpi': 'mpirun'}


def rendezvous(launcher: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables with which torch's ranks find each other.

    Args:
        launcher: 'pytorch', 'slurm' or 'mpi' (Open MPI).
        environment: of this process.

    Returns:
        ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises:
        ValueError: a variable is missing: the launcher did not start this process.
    """
    names = _RANK_VARIABLES[launcher]
    missing = [name for name in names if name not in environment]
    if missing:
        raise ValueError(
            f'--launcher {launcher}, but {", ".join(missing)} is not set: start with '
            f'{_STARTERS[launcher]}, or without --launcher in one process'
        )
    rank, world_size, local_rank = (environment[name] for name in names)
    address = environment.get('MASTER_ADDR')
    if address is None and launcher == 'slurm':
        nodes = ['scontrol', 'show', 'hostnames', environment['SLURM_NODELIST']]
        address = subprocess.check_output(nodes, text=True).split()[0]
    if address is None and world_size == environment.get('OMPI_COMM_WORLD_LOCAL_SIZE'):
        address = '127.0.0.1'  # all on this node
    if address is None:
        raise ValueError(
            f'--launcher {launcher} on several nodes, but MASTER_ADDR is not set: set it to the '
            'address of the first node, the same for all ranks (mpirun -x MASTER_ADDR=...)'
        )
    return dict(
        RANK=rank,
        WORLD_SIZE=world_size,
        LOCAL_RANK=local_rank,
        MASTER_ADDR=address,
        MASTER_PORT=environment.get('MASTER_PORT', '29500'),  # torch's default
    )


def run_ranks(function: Callable[..., dict], world: int, *args) -> list[dict]:
    """Run ``function(rank, *args)`` in ``world`` processes, one thread each.

    A single rank runs in this process.

    Args:
        function: defined at the top level of its module; returns tensors and numbers in dicts.
        world: number of ranks.
        *args: passed to every rank; picklable.

    Returns:
        the ranks' results, in order.
    """
    if world == 1:
        return [function(0, *args)]
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            _run,
            (function, world, folder, args),
            nprocs=world,
            # forked from a server process without threads, they start in no time if
            # multiprocessing.set_forkserver_preload() names the modules that they use
            start_method='forkserver',
        )
        return [torch.load(Path(folder, f'{rank}.pt'), weights_only=True) for rank in range(world)]


def _run(rank: int, function: Callable, world: int, folder: str, args: tuple) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=world
    )
    torch.save(function(rank, *args), Path(folder, f'{rank}.pt'))
    # The group ends with the process. Destroying it can hang for ever in torch 2.1: it waits,
    # holding the GIL, for a thread of gloo that needs the GIL to release the last tensors.
