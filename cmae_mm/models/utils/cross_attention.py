"""Attention of some tokens to others."""

from mmpretrain.models.utils import CrossMultiheadAttention
from torch import Tensor, nn

from cmae_mm.cpu import attend


class CrossAttention(CrossMultiheadAttention):
    """The host's cross attention as one fused call; queries and values have biases, keys none."""

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__(embed_dims, num_heads)
        self.q, self.v = nn.Linear(embed_dims, embed_dims), nn.Linear(embed_dims, embed_dims)

    def forward(self, x: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from x, (N, Q, D), to k and v, (N, L, D); returns (N, Q, D)."""
        q, k, v = (
            tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (N, heads, ., D / heads)
            for tokens in (self.q(x), self.k(k), self.v(v))
        )
        return self.proj(attend(q, k, v).transpose(1, 2).flatten(2))
