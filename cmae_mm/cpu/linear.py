"""Linear layers in float32 at the full width of a CPU's vectors.

torch hands float32 products to MKL, which on AMD's processors leaves half of AVX-512 unused.
oneDNN, which torch has as well and uses for convolutions, does not.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from mmcv.cnn.bricks import Linear as HostLinear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cmae_mm.compat import within

# the former is deprecated since the latter exists
_autocast_on_cpu = (
    torch.is_autocast_cpu_enabled
    if within(torch.__version__, '<2.4')
    else partial(torch.is_autocast_enabled, 'cpu')
)


def use_fastest_linear(model: nn.Module) -> None:
    """Let the linear layers of a model use oneDNN where MKL is slow.

    Tensors, their names and gradients are those of ``nn.Linear``; sums are rounded differently.
    Other layers that derive from it stay as they are, and so do GPUs and other processors.

    Args:
        model: changed in place.
    """
    if torch.cuda.is_available() or not _mkl_is_slow():
        return
    for module in model.modules():
        if type(module) in (nn.Linear, HostLinear):
            module.__class__ = OneDNNLinear


class OneDNNLinear(nn.Linear):
    """``nn.Linear`` whose float32 products on CPUs are oneDNN's; all others are its own."""

    def forward(self, x: Tensor) -> Tensor:
        if product_of(self, x) is _product:
            return _OneDNNProduct.apply(x, self.weight, self.bias)
        return super().forward(x)


def product_of(layer: nn.Linear, x: Tensor) -> Callable[..., Tensor]:
    """Return the function by which a layer is best applied: ``F.linear``, or oneDNN's.

    Both take input, weight and bias; oneDNN's has no gradient.

    Args:
        layer: to be applied.
        x: its input.
    """
    float32 = x.dtype == layer.weight.dtype == torch.float32 and not _autocast_on_cpu()
    if isinstance(layer, OneDNNLinear) and float32 and x.is_cpu and x.ndim > 1 and x.numel():
        return _product
    return F.linear


class _OneDNNProduct(torch.autograd.Function):
    """x (..., I), weight (O, I) and bias (O,) or None to (..., O)."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)  # (N, O)
        return (
            _product(gradient, weight.t()) if ctx.needs_input_grad[0] else None,
            _product(rows.t(), x.flatten(0, -2).t()) if ctx.needs_input_grad[1] else None,
            rows.sum(0) if ctx.needs_input_grad[2] else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by oneDNN: an operator of torch's own compiler, which has no gradient."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, 'none', [], '')


@cache
def _mkl_is_slow() -> bool:
    """Whether this is an AMD processor with AVX-512, as far as Linux tells."""
    try:
        vendor = 'AuthenticAMD' in Path('/proc/cpuinfo').read_text()
    except OSError:  # not Linux
        return False
    return (
        vendor
        and torch.backends.cpu.get_cpu_capability() == 'AVX512'
        and torch.backends.mkldnn.is_available()
    )
