"""The momentum target: a moving average of online modules, parameter by parameter."""

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
