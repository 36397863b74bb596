"""Initial weights that the hosts' layers do not have."""

from collections.abc import Iterable

from mmengine.model.weight_init import trunc_normal_
from torch import Tensor, nn


def init_truncated(tensor: Tensor) -> None:
    """Fill with a normal distribution of deviation 0.02, cut off there (the released CAE)."""
    trunc_normal_(tensor, std=0.02, a=-0.02, b=0.02)


def init_as_beit(blocks: Iterable[nn.Module]) -> None:
    """Initialise linear layers by :func:`init_truncated`, the last of each branch smaller.

    In block i (from 1) both branches' last weights are divided by sqrt(2 i), so that the sum of
    all branches keeps its size with depth (BEiT, arXiv 2106.08254; its code's fix_init_weight).

    Args:
        blocks: Transformer layers of the hosts, in their order.
    """
    for depth, block in enumerate(blocks, start=1):
        for layer in block.modules():
            if isinstance(layer, nn.Linear):
                init_truncated(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        attention = block.attn if hasattr(block, 'attn') else block.cross_attn
        for last in (attention.proj, block.ffn.layers[1]):
            last.weight.data /= (2 * depth) ** 0.5
