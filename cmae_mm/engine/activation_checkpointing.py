"""Activations that are computed again instead of kept."""

from collections.abc import Sequence
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(model: nn.Module, names: Sequence[str]) -> None:
    """Let modules keep their inputs alone for the backward pass, which runs them once more.

    Random numbers and precision are repeated, so that gradients stay the same. The host's way
    (``mmengine.runner.activation_checkpointing``) uses torch's deprecated reentrant variant and
    has no effect on lists of modules.

    Args:
        model: whose modules are changed.
        names: of modules; that of a list of modules, such as ``backbone.layers``, stands for
            each of them.

    Raises:
        ValueError: the model has no module of such a name.
    """
    known = dict(model.named_modules(remove_duplicate=False))
    chosen: dict[nn.Module, None] = {}  # modules may be shared
    for name in names:
        if name not in known:
            parts = ', '.join(key for key, part in known.items() if isinstance(part, nn.ModuleList))
            raise ValueError(
                f'activation_checkpointing: {type(model).__name__} has no module {name!r}; '
                f'its lists of modules are {parts}'
            )
        module = known[name]
        chosen |= dict.fromkeys(module if isinstance(module, nn.ModuleList) else [module])
    for module in chosen:
        module.forward = partial(checkpoint, module.forward, use_reentrant=False)
