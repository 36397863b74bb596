"""Learning rates that fall with the depth of the encoder, wherever it sits."""

from functools import partial

from mmengine.logging import print_log
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from cmae_mm.engine.optim import merge_groups

# Neither pulled to zero nor layers' weights: tokens and positions.
_UNDECAYED = ('cls_token', 'pos_embed', 'rel_pos')


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
