import os

import pytest
import torch
from mmengine.config import Config
from torch import distributed, nn

from cmae_mm.engine.ranks import (
    CPUDistributedDataParallel,
    fit_to_cpu,
    rendezvous,
    run_ranks,
)
from tests.helpers.process import fork_ranks, free_port


def test_detectors_train_in_float32_without_gpus(monkeypatch):
    def dtype(scope, **wrapper):
        cfg = Config(
            dict(
                default_scope=scope,
                model=dict(type='MaskRCNN'),
                optim_wrapper=dict(type='mmpretrain.PrecisionOptimWrapper', **wrapper),
            )
        )
        fit_to_cpu(cfg)
        return cfg.optim_wrapper.get('dtype')

    assert dtype('mmdet', dtype='float16') == dtype('mmdet') == 'float32'
    assert dtype('mmseg', dtype='float16') == 'float16'
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    assert dtype('mmdet', dtype='float16') == 'float16'


SLURM = dict(
    SLURM_PROCID='{rank}', SLURM_NTASKS='2', SLURM_LOCALID='{rank}', SLURM_NODELIST='n[1-2]'
)
MPI = dict(
    OMPI_COMM_WORLD_RANK='{rank}',
    OMPI_COMM_WORLD_SIZE='2',
    OMPI_COMM_WORLD_LOCAL_RANK='{rank}',
    OMPI_COMM_WORLD_LOCAL_SIZE='2',
)


def _join(rank, launcher, variables, path):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR'):
        os.environ.pop(name, None)
    os.environ.update({name: value.format(rank=rank) for name, value in variables.items()})
    os.environ['PATH'] = f'{path}:{os.environ["PATH"]}'
    fit_to_cpu(Config(dict(model=dict(type='CMAE'), launcher=launcher)))
    total = torch.ones(1) + distributed.get_rank()
    distributed.all_reduce(total)
    assert (total.item(), distributed.get_world_size()) == (3, 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without GPUs')
@pytest.mark.parametrize('launcher, variables', [('slurm', SLURM), ('mpi', MPI)])
def test_ranks_of_a_cluster_meet_on_cpus(launcher, variables, tmp_path):
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\n[ "$1 $2 $3" = "show hostnames n[1-2]" ] && echo 127.0.0.1\n')
    scontrol.chmod(0o755)
    fork_ranks(_join, 2, launcher, {**variables, 'MASTER_PORT': str(free_port())}, tmp_path)


def test_a_launcher_that_did_not_start_the_process_is_a_line():
    with pytest.raises(ValueError, match='--launcher slurm, but SLURM_PROCID, .*slurm_train.sh'):
        rendezvous('slurm', {})
    with pytest.raises(ValueError, match='--launcher pytorch, but RANK, .*dist_train.sh'):
        rendezvous('pytorch', {})
    variables = {name: value.format(rank=0) for name, value in MPI.items()}
    assert rendezvous('mpi', variables)['MASTER_ADDR'] == '127.0.0.1'
    with pytest.raises(ValueError, match='on several nodes, but MASTER_ADDR is not set'):
        rendezvous('mpi', {**variables, 'OMPI_COMM_WORLD_LOCAL_SIZE': '1'})
    variables['MASTER_ADDR'] = 'node0'
    assert rendezvous('mpi', variables)['MASTER_ADDR'] == 'node0'


def _wrapped_norms(rank):
    """Normalise a batch of the rank's own in a wrapped model."""
    model = nn.Sequential(nn.SyncBatchNorm(2), nn.SyncBatchNorm(2, affine=False))
    weight = model[0].weight
    wrapped = CPUDistributedDataParallel(model, device_ids=[rank])
    images = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).view(2, 2, 1, 1) * (rank + 1)
    output = wrapped(images)
    return dict(output=output.detach(), kept=wrapped.module[0].weight is weight)


@pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without GPUs')
def test_each_rank_on_a_cpu_normalises_its_own_batch():
    for result in run_ranks(_wrapped_norms, 2):
        assert result['output'].flatten().tolist() == pytest.approx([-1, -1, 1, 1], abs=1e-3)
        assert result['kept']  # the tensors are the model's own
