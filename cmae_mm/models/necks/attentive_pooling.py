"""Pooling of frozen tokens by attention, CAE's probe (arXiv 2202.03026, Sec. 4)."""

import math

import torch
from mmpretrain.models.utils import CrossMultiheadAttention
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ..utils.tokens import as_tokens


@MODELS.register_module()
class AttentivePooling(nn.Module):
    """One learnable query attends to all tokens; then batch norm without affine.

    Queries, keys and values have a layer norm each; there is neither an MLP nor a residual. A
    linear layer that follows makes this the attentive probe. Biases that change nothing are left
    out: softmax ignores those of keys, the batch norm takes those of values away again.

    Args:
        in_channels: D, width of the tokens.
        num_heads: of the attention; None gives heads of 64 channels or, if that does not divide
            D, of the largest power of two that does.
        eps: of the layer norms and the batch norm.

    Raises:
        ValueError: the heads don't divide the width.
    """

    def __init__(self, in_channels: int, num_heads: int | None = None, eps: float = 1e-6) -> None:
        super().__init__()
        num_heads = num_heads or in_channels // math.gcd(in_channels, 64)
        if in_channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide the width {in_channels}')
        self.query = nn.Parameter(torch.empty(1, 1, in_channels))
        self.norm_q = nn.LayerNorm(in_channels, eps=eps)
        self.norm_k = nn.LayerNorm(in_channels, eps=eps, bias=False)
        self.norm_v = nn.LayerNorm(in_channels, eps=eps, bias=False)
        self.attention = CrossMultiheadAttention(in_channels, num_heads)
        self.attention.proj = nn.Linear(in_channels, in_channels, bias=False)
        self.norm = nn.BatchNorm1d(in_channels, eps=eps, affine=False)
        attention = self.attention
        for linear in (attention.q, attention.k, attention.v, attention.proj):
            # CAE's 0.02 at width 768; a narrow one would drown in the batch norm's eps
            nn.init.trunc_normal_(linear.weight, std=0.02 * (768 / in_channels) ** 0.5)
        nn.init.trunc_normal_(self.query, std=0.02)

    def forward(self, outputs: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        """Pool the tokens of each image.

        Args:
            outputs: of a backbone, of which the last is taken: tokens, (N, L, D), or a feature
                map, (N, D, h, w). A class token is a token like the others.

        Returns:
            Shape (N, D), in a tuple as necks return it.
        """
        tokens = outputs[-1] if isinstance(outputs, (tuple, list)) else outputs
        return (self.norm(self.pool(as_tokens(tokens))),)

    def pool(self, tokens: Tensor) -> Tensor:
        """Attend to the tokens: (N, L, D) to (N, D).

        The query is the same for all images, so it goes through the keys' projection in their
        place, and the values are projected once they are averaged: D / heads times fewer
        products than projecting each token, and the same result.
        """
        attention, heads = self.attention, self.attention.num_heads
        width = self.query.shape[-1]
        query = attention.q(self.norm_q(self.query)).flatten()
        per_head = query.view(heads, 1, -1) @ attention.k.weight.view(heads, -1, width)
        per_head = attention.scale * per_head.squeeze(1) * self.norm_k.weight  # (heads, D)
        x = F.layer_norm(tokens, (width,), eps=self.norm_k.eps)
        weights = (x @ per_head.T).softmax(dim=1)  # (N, L, heads)
        x = weights.transpose(1, 2) @ x  # (N, heads, D), averages of the normed tokens
        values = attention.v.weight.view(heads, -1, width)  # (heads, D / heads, D)
        x = torch.einsum('nhd,hcd->nhc', x * self.norm_v.weight, values).flatten(1)
        return attention.proj(x)
