"""Attention within windows, with decomposed relative positions (ViTDet, arXiv 2203.16527)."""

import torch
from mmengine.model import BaseModule
from mmpretrain.models.utils import MultiheadAttention
from torch import Tensor, nn
from torch.nn import functional as F

from cmae_mm.cpu import attend

Grid = tuple[int, int]


class RelativeAttention(BaseModule):
    """Self-attention over a grid of tokens, with relative positions in its logits.

    The logit of query q at (y, x) and key k at (j, i) is ``q.k / sqrt(d) + q.rel_pos_h[y - j]
    + q.rel_pos_w[x - i]`` (MViTv2, arXiv 2112.01526, Sec. 4.1). ``rel_pos_h`` and ``rel_pos_w``
    are initialised to zero, which equals attention without them, and have rows for distances
    -(n - 1) .. n - 1; for other grids they are interpolated.

    Args:
        attention: attention without positions; its modules are reused under their names.
        grid: (rows, columns) of the tokens that attend to each other.
    """

    def __init__(self, attention: MultiheadAttention, grid: Grid) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self.head_dims = attention.head_dims
        self.attn_drop = attention.attn_drop
        for name, module in attention.named_children():
            self.add_module(name, module)  # qkv, proj, proj_drop, out_drop, gamma1
        rows, columns = grid
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * rows - 1, self.head_dims))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * columns - 1, self.head_dims))

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Attend to all tokens of each image or window.

        Args:
            x: shape (N, E + rows * columns, D): E extra tokens without relative positions, then
                the grid row by row.
            grid: (rows, columns).

        Returns:
            shape of x.
        """
        batch, length, _ = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.num_heads, self.head_dims)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (N, heads, L, d) each
        q, k = self.add_positions(q, k, grid)
        # fused kernels need one width for all three; zeros add nothing
        v = F.pad(v, (0, q.shape[-1] - self.head_dims))
        dropout = self.attn_drop if self.training else 0.0
        x = attend(q, k, v, dropout, scale=1.0)
        x = x[..., : self.head_dims].transpose(1, 2).flatten(2)
        return self.out_drop(self.gamma1(self.proj_drop(self.proj(x))))

    def add_positions(self, q: Tensor, k: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Widen queries and keys so that their product includes the relative positions.

        Keys get their row and column as one-hot vectors, queries what they have to say to each
        row and column. So the attention stays one call of a fused kernel, which takes no bias
        of L x L numbers per head: at 1024x1024 that would be 16.8 million.

        Returns:
            q, k, shape (N, heads, L, d + rows + columns, made a multiple of 8), such that
            ``q.k`` are the logits.
        """
        rows, columns = grid
        extra = q.shape[2] - rows * columns
        places = q[:, :, extra:].unflatten(2, grid)  # (N, heads, rows, columns, d)
        to_rows = torch.einsum('nhyxd,yjd->nhyxj', places, self.table(self.rel_pos_h, rows))
        to_columns = torch.einsum('nhyxd,xid->nhyxi', places, self.table(self.rel_pos_w, columns))
        positions = torch.cat((to_rows, to_columns), dim=-1).flatten(2, 3)
        padding = -(self.head_dims + rows + columns) % 8
        q = torch.cat((q * self.head_dims**-0.5, F.pad(positions, (0, 0, extra, 0))), dim=-1)
        one_hot = torch.cat(
            (
                torch.eye(rows, device=k.device).repeat_interleave(columns, 0),
                torch.eye(columns, device=k.device).repeat(rows, 1),
            ),
            dim=-1,
        )
        one_hot = F.pad(one_hot.to(k.dtype), (0, 0, extra, 0)).expand(*k.shape[:3], -1)
        k = torch.cat((k, one_hot), dim=-1)
        return F.pad(q, (0, padding)), F.pad(k, (0, padding))

    @staticmethod
    def table(rel_pos: Tensor, size: int) -> Tensor:
        """Vectors by place of query and place of key, shape (size, size, d)."""
        if len(rel_pos) != 2 * size - 1:
            rel_pos = F.interpolate(rel_pos.T[None], 2 * size - 1, mode='linear')[0].T
        place = torch.arange(size, device=rel_pos.device)
        return rel_pos[place[:, None] - place + size - 1]


def partition(x: Tensor, size: int) -> Tensor:
    """Cut a grid of tokens into windows, filled up with zeros at the right and bottom.

    Args:
        x: shape (N, rows, columns, D).
        size: side of a window.

    Returns:
        shape (N * windows, size * size, D).
    """
    rows, columns = x.shape[1:3]
    x = F.pad(x, (0, 0, 0, -columns % size, 0, -rows % size))
    x = x.unflatten(2, (-1, size)).unflatten(1, (-1, size))  # (N, R, size, C, size, D)
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def reunite(windows: Tensor, size: int, grid: Grid) -> Tensor:
    """Undo :func:`partition`; returns shape (N, rows, columns, D)."""
    rows, columns = (-(-length // size) for length in grid)
    x = windows.unflatten(1, (size, size)).unflatten(0, (-1, rows, columns))
    x = x.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (N, R * size, C * size, D)
    return x[:, : grid[0], : grid[1]]
