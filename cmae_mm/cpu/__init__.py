"""What torch leaves to be gained on a CPU: the processor's whole width, and memory at hand."""

from .attention import cpu_attention, suits_cpu
from .linear import product_of, use_fastest_linear
from .memory import keep_freed_memory

__all__ = [
    'cpu_attention',
    'keep_freed_memory',
    'product_of',
    'suits_cpu',
    'use_fastest_linear',
]
