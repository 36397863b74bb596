"""The momentum target: a moving average of online modules, parameter by parameter."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MomentumPairs:
    """Pairs of (target, online) parameters that share a name and a shape.

    A target parameter whose online namesake has another shape has nothing to follow (the first
    layer of the target projector, if encoder and feature decoder differ in width): it keeps
    its initial value and is listed in ``unpaired``.

    Args:
        modules: (target, online) modules by the target's name; the targets stop requiring
            gradients.
    """

    def __init__(self, modules: dict[str, tuple[nn.Module, nn.Module]]) -> None:
        self.targets: list[Tensor] = []
        self.onlines: list[Tensor] = []
        self.unpaired: list[str] = []
        for prefix, (target, online) in modules.items():
            target.requires_grad_(False)
            online_parameters = dict(online.named_parameters())
            for name, parameter in target.named_parameters():
                source = online_parameters[name]
                if source.shape == parameter.shape:
                    self.targets.append(parameter)
                    self.onlines.append(source)
                else:
                    self.unpaired.append(f'{prefix}.{name}')

    @torch.no_grad()
    def update(self, momentum: float) -> None:
        """Set target = momentum * target + (1 - momentum) * online, in one fused call."""
        torch._foreach_lerp_(self.targets, self.onlines, 1 - momentum)


def start_targets_from_online(model: nn.Module, parts: Sequence[str]) -> None:
    """Let a checkpoint (of MAE, say) that has no target give the online part's tensors to it.

    Otherwise the target would keep random weights, and the encoder would learn from noise.

    Args:
        model: whose part ``target_<part>`` follows ``<part>``.
        parts: names of the online parts.
    """

    def fill(tensors: dict[str, Tensor], prefix: str, *_) -> None:
        for part in parts:
            online, target = f'{prefix}{part}.', f'{prefix}target_{part}.'
            if not any(name.startswith(target) for name in tensors):
                for name in [name for name in tensors if name.startswith(online)]:
                    tensors[target + name.removeprefix(online)] = tensors[name]

    model._register_load_state_dict_pre_hook(fill)
