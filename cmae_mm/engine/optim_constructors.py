"""Which parameters the optimiser gets, in which groups, at which learning rates."""

from functools import partial

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from cmae_mm.compat import quiet_log

# Neither pulled to zero nor layers' weights: tokens and positions.
_UNDECAYED = ('cls_token', 'pos_embed', 'rel_pos')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PretrainOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """The host's parameter-wise rules in as few groups as they make.

    The host makes one group a parameter, which costs the optimiser its fused
    update, and logs a line for each; here parameters of equal settings share a
    group and a line. Frozen modules (the momentum target) are left out, and so
    have no optimiser state.
    """

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

    Of an encoder with n blocks, block i (from 0) learns at ``lr * layer_decay_rate ** (n - i)``,
    the embedding at ``lr * layer_decay_rate ** (n + 1)``, and what follows the blocks, heads
    and necks included, at ``lr``. The host asks the whole model for depths, and only its
    classifiers have them.

    There is no weight decay for biases, norms and other vectors, nor for the class token and
    positions; fields of the host's ``paramwise_cfg`` say otherwise if need be. Parameters of
    equal settings share a group, as the optimiser's fused update wants it.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        defaults = dict(
            flat_decay_mult=0.0, custom_keys={name: dict(decay_mult=0.0) for name in _UNDECAYED}
        )
        super().__init__(optim_wrapper_cfg, {**defaults, **(paramwise_cfg or {})})

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        if prefix:  # a part of the model, where the host walks down
            super().add_params(params, module, prefix, **kwargs)
            return
        backbone = getattr(module, 'backbone', None)
        if not hasattr(backbone, 'get_layer_depth'):
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


def merge_groups(single: list[dict]) -> list[dict]:
    """Put trainable parameters of equal settings into one group.

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
