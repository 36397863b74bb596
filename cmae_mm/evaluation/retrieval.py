"""Retrieval: which images come first when all are sorted by their similarity to one of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .neighbours import unit_rows
from .sharing import gather_rows, own_rows

_ROUNDING = 2**-21  # a few times that of a cosine in float32


def retrieval(
    features: Tensor,
    labels: Tensor,
    at: Sequence[int] = (1, 5, 10),
    chunk: int = 256,
    device: str | torch.device | None = None,
) -> dict[str, float]:
    """Measure how well each image finds the others of its class by cosine similarity.

    Every image is a query once and all others are sorted, of equally similar ones those of other
    classes first: an encoder that tells nothing apart finds nothing. Ranks share the queries.
    Images whose class no other has are not queries. If images have several labels, those that
    share one count as the same class.

    Args:
        features: shape (M, D), the same on all ranks.
        labels: int64, shape (M,), or booleans, shape (M, classes).
        at: values of k for recall.
        chunk: queries compared with all images at once, which bounds memory.
        device: to compute on, in float32; None means that of ``features``.

    Returns:
        in per cent: ``mAP``, the mean over queries of the average precision, and ``recall@k``, the
        share of queries with one of their class among the k nearest. Empty if there is no query.
    """
    device = features.device if device is None else device
    units, labels = unit_rows(features, device), labels.to(device)
    own = own_rows(len(units))
    parts = [
        _of_queries(units, labels, queries, at)
        for queries in torch.arange(own.start, own.stop, device=device).split(chunk)
    ]
    per_query = gather_rows(torch.cat(parts))  # (queries, 1 + len(at))
    if len(per_query) == 0:
        return {}
    means = 100 * per_query.double().mean(dim=0)
    return dict(zip(('mAP', *(f'recall@{k}' for k in at)), means.tolist(), strict=True))


def _of_queries(units: Tensor, labels: Tensor, queries: Tensor, at: Sequence[int]) -> Tensor:
    """Return the average precision and whether the k nearest have a hit, for each query."""
    relevant = _share_a_label(labels[queries], labels)
    itself = queries[:, None]
    relevant.scatter_(1, itself, False)
    similarity = (units[queries] @ units.T).scatter_(1, itself, -torch.inf)  # sorted last
    similarity -= relevant * _ROUNDING
    hits = relevant.gather(1, similarity.argsort(dim=1, descending=True)).float()
    ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    precision = hits.cumsum(dim=1) / ranks
    found = hits.sum(dim=1)
    average = (precision * hits).sum(dim=1) / found
    recalls = [hits[:, :k].amax(dim=1) for k in at]
    return torch.stack([average, *recalls], dim=1)[found > 0]


def _share_a_label(some: Tensor, labels: Tensor) -> Tensor:
    if labels.ndim == 2:
        return some.float() @ labels.float().T > 0
    return some[:, None] == labels
