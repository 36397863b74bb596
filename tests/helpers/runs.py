"""A tiny run, killed at will, and the comparison of its checkpoints with another's."""

import uuid

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import load_run
from tests.helpers.files import PIPELINE
from tests.helpers.tiny import tiny_config

EPOCHS = dict(by_epoch=True, max_epochs=3)  # of 3 iterations
ITERATIONS = dict(by_epoch=False, max_iters=9)


class Killed(Exception):
    pass


class KillHook(Hook):
    """Stops the run in the middle of an iteration."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            raise Killed


def config(folder, work_dir, train_cfg, workers=0, precision='float32', resume=False):
    return Config(
        dict(
            runner_type='SafeRunner',
            default_scope='mmpretrain',
            model=tiny_config(backbone__drop_path_rate=0.5),
            work_dir=str(folder / work_dir),
            experiment_name=uuid.uuid4().hex,  # runs within a second share what this names
            train_dataloader=dict(
                batch_size=2,
                num_workers=workers,
                persistent_workers=workers > 0,
                drop_last=True,
                sampler=dict(type='SeededSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
                dataset=dict(
                    type='PretrainDataset', data_root=str(folder / 'images'), pipeline=PIPELINE
                ),
            ),
            train_cfg=train_cfg,
            optim_wrapper=dict(
                type='PrecisionOptimWrapper',
                dtype=precision,
                optimizer=dict(type='AdamW', lr=1e-2),
            ),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=4),
                dict(type='CosineAnnealingLR', by_epoch=False, begin=4, end=9),
            ],
            custom_hooks=[dict(type='MomentumUpdateHook', momentum=0.9, end_momentum=1.0)],
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook', interval=1, by_epoch=False, max_keep_ckpts=1
                ),
                logger=dict(type='LoggerHook', interval=1),
            ),
            randomness=dict(seed=3, diff_rank_seed=True),
            resume=resume,
            log_level='ERROR',
        )
    )


def train(cfg, kill_at=None):
    runner = RUNNERS.build(cfg)
    if kill_at is None:
        runner.train()
        return runner
    runner.register_hook(KillHook(kill_at), priority='VERY_HIGH')
    with pytest.raises(Killed):
        runner.train()
    runner.writer.wait()
    return runner


TIMES = ('time', 'images_per_s')


def state(path):
    """Everything in a checkpoint but wall-clock times, flattened."""
    checkpoint = load_run(path)
    meta = {k: v for k, v in checkpoint.pop('meta').items() if k not in ('time', 'cfg')}
    meta.pop('experiment_name')
    hub = checkpoint.pop('message_hub')
    logs = {k: v.data for k, v in hub['log_scalars'].items() if not k.endswith(TIMES)}
    info = {k: v for k, v in hub['runtime_info'].items() if k not in ('cfg', 'experiment_name')}
    info.pop('last_ckpt', None)
    return flat(dict(checkpoint, meta=meta, logs=logs, info=info))


def flat(value, name=''):
    if isinstance(value, dict):
        value = value.items()
    elif isinstance(value, (list, tuple)):
        value = enumerate(value)
    else:
        return {name: value}
    return {k: v for key, item in value for k, v in flat(item, f'{name}/{key}').items()}


def differences(there, here):
    assert there.keys() == here.keys()
    return [name for name in there if not same(there[name], here[name])]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return str(a) == str(b)
