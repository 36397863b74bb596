"""The optimiser's parameter groups: learning rates and weight decay."""

from functools import partial

import torch
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from cmae_mm.compat import quiet_log, within

# Tokens and positions, which are not weights of layers and get no weight decay.
_UNDECAYED = ('cls_token', 'pos_embed', 'rel_pos')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PretrainOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """The host's parameter-wise rules, in as few groups as possible.

    The host creates one group per parameter, which prevents fused updates, and logs a line for
    each; here parameters with equal settings share a group and a line. Frozen modules (the
    momentum target) are left out and have no optimiser state.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        super().__init__(prefer_fused(optim_wrapper_cfg), paramwise_cfg)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        if prefix:
            super().add_params(params, module, prefix, **kwargs)
            return
        single: list[dict] = []
        with quiet_log():
            super().add_params(single, module, prefix, **kwargs)
        params.extend(merge_groups(single))
        for group in params:
            settings = {key: value for key, value in group.items() if key != 'params'}
            print_log(
                f'{len(group["params"])} tensors with {settings or "the default settings"}',
                'current',
            )


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(LearningRateDecayOptimWrapperConstructor):
    """The host's layer-wise decay for any model whose ``backbone`` knows its depths.

    In an encoder with n blocks, block i (from 0) has the learning rate
    ``lr * layer_decay_rate ** (n - i)``, the embedding ``lr * layer_decay_rate ** (n + 1)``, and
    everything after the blocks, including heads and necks, ``lr``. The host asks the whole model
    for depths, which only its classifiers provide.

    Biases, norms and other vectors, the class token and positions have no weight decay unless
    the host's ``paramwise_cfg`` fields say otherwise. Parameters with equal settings share a
    group, which allows fused updates.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        defaults = dict(
            flat_decay_mult=0.0, custom_keys={name: dict(decay_mult=0.0) for name in _UNDECAYED}
        )
        super().__init__(prefer_fused(optim_wrapper_cfg), {**defaults, **(paramwise_cfg or {})})

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        if prefix:  # the host's recursion into a part of the model
            super().add_params(params, module, prefix, **kwargs)
            return
        backbone = getattr(module, 'backbone', None)
        if backbone is None or not hasattr(backbone, 'get_layer_depth'):
            raise ValueError(
                f'layer-wise decay needs a backbone with get_layer_depth, such as DownstreamViT; '
                f'{type(module).__name__} has {type(backbone).__name__}'
            )
        single: list[dict] = []
        depth = partial(backbone.get_layer_depth, prefix='backbone.')
        super().add_params(single, module, get_layer_depth=depth)
        for group in single:
            del group['param_name']
        params.extend(merge_groups(single))
        for group in sorted(params, key=lambda group: group['layer_id']):
            print_log(
                f'layer {group["layer_id"]}: {len(group["params"])} tensors, '
                f'lr {group["lr"]:.3g}, weight decay {group["weight_decay"]:g}',
                'current',
            )


def prefer_fused(optim_wrapper_cfg: dict) -> dict:
    """Let Adam and AdamW take torch's fused form, unless their config has ``fused``.

    It is the fastest, and it can leave out a step without waiting for the device (see
    :class:`~cmae_mm.engine.finite_steps.FiniteSteps`). On CPUs torch has it since 2.4.
    """
    optimizer = optim_wrapper_cfg['optimizer'].copy()
    there = torch.cuda.is_available() or not within(torch.__version__, '<2.4')
    if optimizer.get('type') in ('Adam', 'AdamW') and there:
        optimizer.setdefault('fused', True)
    return {**optim_wrapper_cfg, 'optimizer': optimizer}


def merge_groups(single: list[dict]) -> list[dict]:
    """Merge trainable parameters with equal settings into one group each.

    Args:
        single: optimiser groups, ``params`` and settings.

    Returns:
        groups in the order in which their settings first appear.
    """
    groups: dict[tuple, list] = {}
    for group in single:
        settings = tuple(sorted((key, value) for key, value in group.items() if key != 'params'))
        parameters = [p for p in group['params'] if p.requires_grad]
        if parameters:
            groups.setdefault(settings, []).extend(parameters)
    return [dict(settings, params=parameters) for settings, parameters in groups.items()]
