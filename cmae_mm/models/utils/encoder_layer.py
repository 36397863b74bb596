"""The host's Transformer layer, which keeps less for the backward pass and copies less."""

from collections.abc import Callable, Iterable

import torch
from mmcv.cnn.bricks.transformer import FFN
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cmae_mm.cpu import attend, product_of


class EncoderLayer(TransformerEncoderLayer):
    """mmpretrain's layer, with the same tensors and the same results.

    The activations between the two linear layers of its MLP are not kept for the backward pass
    but computed again from their inputs: a third of all memory, for a hundredth of the time. No
    matrix product is computed twice. Gradients of queries, keys and values are joined by one
    copy instead of several additions.
    """

    def forward(self, x: Tensor, queries: Tensor | None = None) -> Tensor:
        """Return all tokens, or some of them that have seen all.

        Args:
            x: shape (N, L, D).
            queries: int64, shape (N, Q); the tokens to return, all by default.

        Returns:
            Shape (N, L, D) or (N, Q, D).
        """
        kept = x if queries is None else select(x, queries)
        x = kept + self.attn(self.ln1(x), queries)
        return self.ffn(self.ln2(x), identity=x)


def use_encoder_layers(layers: Iterable[nn.Module]) -> None:
    """Turn layers that the host has built into :class:`EncoderLayer`, in place.

    The hosts' models name their class of layers in their constructors, which leaves no way to
    pass another one. Tensors and their names stay.
    """
    for layer in layers:
        layer.__class__ = EncoderLayer
        layer.attn.__class__ = Attention
        use_feed_forward(layer)


def use_feed_forward(layer: nn.Module) -> None:
    """Turn the MLP of a layer into :class:`FeedForward`, in place, if that computes the same."""
    if type(layer.ffn) is FFN and _is_plain(layer.ffn):
        layer.ffn.__class__ = FeedForward


def select(x: Tensor, tokens: Tensor) -> Tensor:
    """Select tokens of each image: (N, L, ...) and int64 (N, Q) to (N, Q, ...)."""
    index = tokens.view(*tokens.shape, *[1] * (x.ndim - 2))
    return x.gather(1, index.expand(-1, -1, *x.shape[2:]))


class Attention(MultiheadAttention):
    """mmpretrain's attention, for all tokens or for some."""

    def forward(self, x: Tensor, queries: Tensor | None = None) -> Tensor:
        """Attend to all tokens: (N, L, D) to (N, L, D), or to (N, Q, D) for ``queries``."""
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, self.head_dims))
        q, k, v = qkv.unbind(dim=2)  # (N, L, heads, D / heads)
        if queries is not None:
            q = select(q, queries)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        x = attend(q, k, v, self.attn_drop if self.training else 0.0)
        x = self.proj(x.transpose(1, 2).flatten(2))
        return self.out_drop(self.gamma1(self.proj_drop(x)))


class FeedForward(FFN):
    """mmcv's MLP of two layers with a GELU between them."""

    def forward(self, x: Tensor, identity: Tensor | None = None) -> Tensor:
        """Map (N, L, D) to (N, L, D), added to ``identity`` (by default the input)."""
        (expand, *_), contract, _ = self.layers
        hidden = expand(x)
        product = product_of(contract, hidden)
        out = _GELULinear.apply(hidden, contract.weight, contract.bias, product)
        return (x if identity is None else identity) + self.dropout_layer(self.gamma2(out))


def _is_plain(ffn: FFN) -> bool:
    """Whether :class:`FeedForward` computes what this MLP does."""
    dropouts = [module for module in ffn.layers.modules() if isinstance(module, nn.Dropout)]
    return (
        ffn.num_fcs == 2
        and ffn.add_identity
        and isinstance(ffn.layers[0][1], nn.GELU)
        and ffn.layers[0][1].approximate == 'none'
        and not any(dropout.p for dropout in dropouts)
    )


class _GELULinear(torch.autograd.Function):
    """``linear(gelu(x), weight, bias)``, which keeps x alone."""

    @staticmethod
    def forward(
        ctx, x: Tensor, weight: Tensor, bias: Tensor, product: Callable[..., Tensor]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.product = product
        # x has the precision of the layer before: under autocast lower than the weights'
        with torch.autocast(x.device.type, enabled=False):
            return product(F.gelu(x), weight.to(x.dtype), bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        grad_weight = ctx.product(rows.T, F.gelu(x).flatten(0, -2).T)
        grad_x = torch.ops.aten.gelu_backward(ctx.product(grad, weight.to(x.dtype).T), x)
        return grad_x, grad_weight, rows.sum(dim=0), None
