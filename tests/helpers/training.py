"""One training iteration of any downstream config, through the real Runner."""

import gc

import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmpretrain.models import VisionTransformer

from cmae_mm.engine.ranks import fit_to_cpu
from cmae_mm.models.backbones.hybrid import ARCHS as HYBRIDS


def shallow(cfg, depth=4):
    """Leave a config's encoder as wide as it is and make it a few blocks deep.

    What full depth would show takes no training: the configs' values have tests of their own.
    """
    backbone = cfg.model.backbone
    archs = HYBRIDS if 'Hybrid' in backbone.type else VisionTransformer.arch_zoo
    arch = archs[backbone.arch]
    backbone.arch = {**arch, 'num_layers': depth}
    if 'out_indices' in backbone:
        backbone.out_indices = tuple(range(depth))[-len(backbone.out_indices) :]
    if 'frozen_stages' in backbone:
        backbone.frozen_stages = backbone.frozen_stages * depth // arch['num_layers']
    if 'global_blocks' in backbone:  # one of the blocks has windows
        backbone.global_blocks = depth // 2


def train_one_iteration(cfg, work_dir):
    """Train on one batch; returns the losses by name.

    The model starts from random weights; neither validation nor schedule is run, nor a
    checkpoint saved. Checks that the losses are finite, that what is to learn has moved, and
    that the encoder ran in the precision that the config asks for.
    """
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.init_cfg = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1)
    cfg.param_scheduler = None
    cfg.randomness = dict(seed=0)  # with some, a block's path is dropped for the whole batch
    for part in ('val', 'test'):
        for name in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{part}_{name}'] = None
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.pop('visualization', None)  # not one of mmengine's: None is no value
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    fit_to_cpu(cfg)
    runner = RUNNERS.build(cfg)
    before = BeforeTraining()
    runner.register_hook(before)
    dtypes = set()  # of the matrix products; sums and norms stay in float32
    runner.model.backbone.layers[-1].attn.qkv.register_forward_hook(
        lambda module, args, output: dtypes.add(output.dtype)
    )
    runner.train()
    assert dtypes == {runner.optim_wrapper.cast_dtype or torch.float32}
    losses = {
        name.removeprefix('train/'): history.current()
        for name, history in runner.message_hub.log_scalars.items()
        if 'loss' in name
    }
    assert losses and all(torch.isfinite(torch.tensor(loss)) for loss in losses.values())
    changed = {
        name for name, p in _watched(runner.model) if not torch.equal(p, before.biases[name])
    }
    assert changed == before.biases.keys(), f'not trained: {before.biases.keys() - changed}'
    del runner, before
    gc.collect()  # a Runner is full of cycles, and holds three times its model
    return losses


class BeforeTraining(Hook):
    """Keeps what the model's initialisation made of the watched tensors."""

    def before_train(self, runner):
        self.biases = {name: p.detach().clone() for name, p in _watched(runner.model)}


def _watched(model):
    """Small tensors that must move: copies of all would take the memory of a model."""
    return [
        (name, parameter)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name.endswith('.bias') and 'proj.bias' in name
    ]
