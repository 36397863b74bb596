"""What torch leaves to be gained on a CPU: the processor's whole width, and memory at hand."""

from torch import nn

from .attention import attend, cpu_attention, use_fastest_attention
from .linear import product_of, use_fastest_linear
from .memory import keep_freed_memory

__all__ = [
    'attend',
    'cpu_attention',
    'keep_freed_memory',
    'product_of',
    'use_fastest_attention',
    'use_fastest_layers',
    'use_fastest_linear',
]


def use_fastest_layers(model: nn.Module) -> None:
    """Let a model compute with the fastest layers that a CPU has, in place; see the parts."""
    use_fastest_linear(model)
    use_fastest_attention(model)
