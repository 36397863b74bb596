"""Rows shared out over ranks; in one process every function returns what it was given."""

import torch
from mmengine.dist import all_gather, get_dist_info, get_world_size
from torch import Tensor


def own_rows(total: int) -> range:
    """Return this rank's part of ``range(total)``: contiguous, of equal lengths but for one."""
    rank, world = get_dist_info()
    return range(total * rank // world, total * (rank + 1) // world)


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate the rows of all ranks, in the ranks' order, on every rank.

    Args:
        rows: shape (n, ...); n may differ between ranks and be 0.
    """
    if get_world_size() == 1:
        return rows
    counts = torch.cat(all_gather(torch.tensor([len(rows)])))
    padding = rows.new_zeros(int(counts.max()) - len(rows), *rows.shape[1:])
    parts = all_gather(torch.cat([rows, padding]))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
