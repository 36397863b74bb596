"""What torch leaves to be gained on a CPU: the processor's whole width, and memory at hand."""

from .attention import attend, cpu_attention
from .linear import product_of, use_fastest_linear
from .memory import keep_freed_memory

__all__ = [
    'attend',
    'cpu_attention',
    'keep_freed_memory',
    'product_of',
    'use_fastest_linear',
]
