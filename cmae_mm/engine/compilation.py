"""torch.compile for a model's Transformer blocks alone."""

import torch._dynamo
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import nn


def compile_layers(model: nn.Module) -> None:
    """Compile each Transformer block of a model by itself, in place.

    Blocks of the same sizes share what was compiled: seconds instead of the minutes that a graph
    of all blocks takes, for most of the gain.

    Args:
        model: whose blocks are those of mmpretrain or of this package.

    Raises:
        ValueError: it has none.
    """
    layers = [part for part in model.modules() if isinstance(part, TransformerEncoderLayer)]
    if not layers:
        raise ValueError(
            f"compile='layers' compiles Transformer blocks, and {type(model).__name__} has none: "
            'use compile=True'
        )
    # beyond the limit, 8 by default, torch returns to uncompiled layers, and only a log tells
    torch._dynamo.config.cache_size_limit = max(torch._dynamo.config.cache_size_limit, 64)
    for layer in layers:
        layer.compile(dynamic=False)  # a graph per shape: there are few, and they are faster
