"""Attention on CPUs, where torch's own is slow: in bfloat16, and over few tokens."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# with more the probabilities outgrow queries, keys and values, and the gain ends
_FEW = 96


def use_fastest_attention(model: nn.Module) -> None:
    """Let the hosts' attention layers use :func:`attend` where there is no GPU.

    Args:
        model: changed in place, where a layer keeps torch's function under the function's name,
            as mmpretrain's ``MultiheadAttention`` does.
    """
    if torch.cuda.is_available():
        return
    name = F.scaled_dot_product_attention.__name__
    for module in model.modules():
        if getattr(module, name, None) is F.scaled_dot_product_attention:
            setattr(module, name, attend)


def attend(
    q: Tensor, k: Tensor, v: Tensor, dropout_p: float = 0.0, scale: float | None = None
) -> Tensor:
    """Softmax attention, by :func:`cpu_attention` where that is faster than torch's fused one.

    Args:
        q, k, v, scale: see there.
        dropout_p: probability by which a token is not attended to.
    """
    if q.is_cpu and not dropout_p and (q.dtype == torch.bfloat16 or k.shape[-2] <= _FEW):
        return cpu_attention(q, k, v, scale)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p, scale=scale)


def cpu_attention(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Softmax attention, ``softmax(scale q k^T) v``.

    torch's fused attention does not use a CPU's bfloat16 instructions in its inner loop: with
    them, two products of matrices and a softmax are more than twice as fast, forward and backward
    (torch 2.10; 16 heads of width 32, 197 tokens). In float32 they are faster for few tokens on
    two threads: 1.1 to 1.3 times as fast for 65 tokens, 1.6 for 17; on one thread torch's way is
    faster by a tenth to a quarter. As in fused attention the probabilities of many tokens are not
    kept for the backward pass but computed again.

    Args:
        q: shape (..., Q, d).
        k, v: shape (..., L, d).
        scale: of the logits; ``1 / sqrt(d)`` by default.

    Returns:
        Shape (..., Q, d).
    """
    return _CPUAttention.apply(q, k, v, q.shape[-1] ** -0.5 if scale is None else scale)


class _CPUAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        p = _probabilities(q, k, scale)
        ctx.save_for_backward(q, k, v, *([p] if k.shape[-2] <= _FEW else []))
        ctx.scale = scale
        return p @ v

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        p = kept[0] if kept else _probabilities(q, k, ctx.scale)
        grad_logits = torch._softmax_backward_data(grad @ v.mT, p, -1, p.dtype)
        grad_logits *= ctx.scale
        return grad_logits @ k, grad_logits.mT @ q, p.mT @ grad, None


def _probabilities(q: Tensor, k: Tensor, scale: float) -> Tensor:
    with torch.autocast(q.device.type, enabled=False):
        return ((q * scale) @ k.mT).softmax(dim=-1)
