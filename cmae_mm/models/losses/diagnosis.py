"""Numbers that describe what a contrastive loss has made of a batch.

Each takes vectors that the loss would normalise, and no gradient is needed. All of them are
about directions: every vector is divided by its length first. Statistics depend on the batch,
so compare only batches of the same size.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def alignment(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of positive pairs (Wang & Isola, arXiv 2005.10242, alpha = 2).

    Args:
        prediction: shape (M, D).
        target: of the same images in the same order, (M, D).

    Returns:
        Scalar in [0, 4], ``2 - 2 cos``: 0 for equal directions, 2 for unrelated ones.
    """
    return (_unit(prediction) - _unit(target)).square().sum(dim=1).mean()


def uniformity(vectors: Tensor) -> Tensor:
    """Logarithm of the mean Gaussian potential of all pairs (arXiv 2005.10242, t = 2).

    Args:
        vectors: shape (M, D), M at least 2.

    Returns:
        Scalar in [-8, 0]: 0 if all directions are equal, about -4 if they are spread evenly
        over a sphere of many dimensions.
    """
    return torch.pdist(_unit(vectors)).square().mul(-2).exp().mean().log()


def effective_rank(vectors: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values.

    Roy & Vetterli, EUSIPCO 2007; RankMe (arXiv 2210.02885) computes it from the vectors as they
    are, this from their directions, which are all that the loss sees.

    Args:
        vectors: shape (M, D), not all zero.

    Returns:
        Scalar in [1, min(M, D)]: the number of dimensions in use, 1 if all vectors are
        parallel.
    """
    values = torch.linalg.svdvals(_unit(vectors))
    return torch.special.entr(values / values.sum()).sum().exp()


def standard_deviation(vectors: Tensor) -> Tensor:
    """Standard deviation per dimension over the batch, in units of 1 / sqrt(D).

    The test for collapse of SimSiam (arXiv 2011.10566, Sec. 4.1), scaled.

    Args:
        vectors: shape (M, D).

    Returns:
        Scalar in [0, 1], mean over dimensions: 0 if all directions are equal, 1 if they are
        isotropic.
    """
    deviations = _unit(vectors).std(dim=0, correction=0)
    return deviations.mean() * vectors.shape[1] ** 0.5


def retrieval_accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the predictions whose nearest target is their own.

    A tie is a miss, so that collapsed vectors do not score.

    Args:
        prediction: shape (M, D).
        target: of the same images in the same order, (M, D).

    Returns:
        Scalar in [0, 1]; chance is 1 / M.
    """
    similarity = _unit(prediction) @ _unit(target).T  # (M, M)
    own = similarity.diagonal()
    others = similarity.masked_fill(torch.eye(len(own), device=own.device).bool(), -torch.inf)
    return (own > others.amax(dim=1)).float().mean()


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=1)
