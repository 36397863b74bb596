"""Mean and second moments of features, and their effective rank."""

from dataclasses import dataclass

import torch
from mmengine.dist import all_reduce
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Moments of N features of width D over all ranks, in float64.

    Attributes:
        count: N.
        mean: shape (D,).
        second: mean of x x^T, shape (D, D).
    """

    count: int
    mean: Tensor
    second: Tensor

    @property
    def covariance(self) -> Tensor:
        """Covariance, shape (D, D)."""
        return self.second - self.mean.outer(self.mean)


def moments(
    features: Tensor, chunk: int = 8192, device: str | torch.device | None = None
) -> Moments:
    """Compute the moments of features of which every rank holds a part.

    Args:
        features: this rank's part, shape (n, D), of any precision; may be mapped from a file.
        chunk: rows taken to float64 at once.
        device: to compute on; None means that of ``features``.
    """
    width, device = features.shape[1], features.device if device is None else device
    sums = torch.zeros(width + 1, width, dtype=torch.float64, device=device)
    for rows in features.split(chunk):
        rows = rows.to(device).double()
        sums[0] += rows.sum(dim=0)
        sums[1:].addmm_(rows.T, rows)
    count = torch.tensor([len(features)])
    all_reduce(sums)
    all_reduce(count)
    sums /= count.item()
    return Moments(count.item(), sums[0], sums[1:])


def effective_rank(of: Moments) -> float:
    """Return RankMe, the exponential of the entropy of the singular values (arXiv 2210.02885).

    1 if all features lie on a line through the origin, at most D. The singular values of the
    matrix of features, not centred, are the square roots of the eigenvalues of its second moments.
    """
    values = torch.linalg.eigvalsh(of.second).clamp(min=0).sqrt()
    shares = values / values.sum() + 1e-7  # the paper's epsilon
    return (-(shares * shares.log()).sum()).exp().item()
