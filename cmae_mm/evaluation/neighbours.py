"""Nearest neighbours in cosine similarity: in chunks on a device, over several ranks."""

import torch
from mmengine.dist import all_gather
from torch import Tensor
from torch.nn import functional as F


def nearest(
    queries: Tensor,
    bank: Tensor,
    k: int,
    chunk: int = 1024,
    bank_chunk: int = 16384,
    device: str | torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the ``k`` rows of a bank that are nearest to each query in cosine similarity.

    The bank passes over the device once, in chunks; the queries stay there.

    Args:
        queries: shape (M, D), of any precision.
        bank: shape (N, D), of any precision; may be mapped from a file.
        k: all N if there are fewer.
        chunk: queries compared at once.
        bank_chunk: rows of the bank compared at once: with ``chunk``, the bound on memory.
        device: to compute on, in float32; None means that of ``queries``.

    Returns:
        similarities, float32, and rows of the bank, int64, both (M, k), the nearest first, on
        the device.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f'{k} neighbours were asked for: at least 1 is needed')
    device = queries.device if device is None else device
    parts = unit_rows(queries, device).split(chunk)
    best = [(part.new_empty(len(part), 0), part.new_empty(len(part), 0).long()) for part in parts]
    for start in range(0, len(bank), bank_chunk):
        rows = unit_rows(bank[start : start + bank_chunk], device).T  # (D, n)
        for number, part in enumerate(parts):
            similarity, index = (part @ rows).topk(min(k, rows.shape[1]))
            best[number] = _merge([best[number], (similarity, index + start)], k)
    similarity, index = zip(*best, strict=True)
    return torch.cat(similarity), torch.cat(index)


def nearest_over_ranks(queries: Tensor, bank: Tensor, k: int, **how) -> tuple[Tensor, Tensor]:
    """Find the nearest rows of a bank of which every rank holds a part.

    Args:
        queries: shape (M, D), the same on all ranks.
        bank: this rank's part, shape (n, D); n may differ between ranks and be 0.
        k: all rows if there are fewer.
        **how: further arguments of :func:`nearest`.

    Returns:
        what :func:`nearest` returns for the parts joined in the ranks' order.
    """
    counts = [int(count) for count in all_gather(torch.tensor([len(bank)]))]
    k = min(k, sum(counts))
    similarity, index = nearest(queries, bank, k, **how)
    missing = (0, k - similarity.shape[1])
    similarities = all_gather(F.pad(similarity, missing, value=-torch.inf))
    indices = all_gather(F.pad(index, missing))
    starts = [sum(counts[:rank]) for rank in range(len(counts))]
    found = [(s, i + start) for s, i, start in zip(similarities, indices, starts, strict=True)]
    return _merge(found, k)


def vote(
    similarity: Tensor, index: Tensor, labels: Tensor, classes: int, temperature: float = 0.07
) -> Tensor:
    """Let the neighbours of each image vote on its classes.

    A neighbour with similarity s votes with weight exp(s / temperature) (Wu et al.,
    arXiv 1805.01978, Sec. 3.4, whose temperature is the default).

    Args:
        similarity: of the neighbours, the nearest first, shape (M, k).
        index: of the neighbours in the bank, int64, shape (M, k).
        labels: of the bank, int64 in [0, classes), shape (N,), or, if an image may have several,
            booleans, shape (N, classes).
        classes: number of classes.
        temperature: above 0.

    Returns:
        share of each class in the vote, float32, shape (M, classes).
    """
    # relative to the nearest: the same vote, and no overflow
    weights = ((similarity - similarity[:, :1]) / temperature).exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    labels = labels.to(index.device)
    if labels.ndim == 1:
        votes = weights.new_zeros(len(weights), classes)
        return votes.scatter_add_(1, labels[index], weights)
    # neighbour by neighbour: all their labels at once would be k times as large as the result
    return sum(w[:, None] * labels[i] for w, i in zip(weights.T, index.T, strict=True))


def knn_predict(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 1024,
    device: str | torch.device | None = None,
) -> Tensor:
    """Predict labels by a :func:`vote` of the ``k`` nearest training images.

    Args:
        train_features: shape (N, D).
        train_labels: int64 in [0, classes), shape (N,).
        features: shape (M, D).
        k: number of neighbours; all N if there are fewer.
        temperature: of the vote, above 0.
        chunk: rows of ``features`` compared at once, which bounds memory.
        device: to compute on; None means that of ``features``.

    Returns:
        labels, int64, shape (M,), on the device of ``features``.
    """
    similarity, index = nearest(features, train_features, k, chunk=chunk, device=device)
    classes = int(train_labels.max()) + 1
    votes = vote(similarity, index, train_labels, classes, temperature)
    return votes.argmax(dim=1).to(features.device)


def unit_rows(features: Tensor, device: str | torch.device) -> Tensor:
    """Return features of length 1, float32, on a device."""
    return F.normalize(features.to(device).float(), dim=1)


def _merge(found: list[tuple[Tensor, Tensor]], k: int) -> tuple[Tensor, Tensor]:
    """Take the ``k`` best of several lists of (similarities, indices)."""
    similarity, index = (torch.cat(columns, dim=1) for columns in zip(*found, strict=True))
    similarity, place = similarity.topk(min(k, similarity.shape[1]))
    return similarity, index.gather(1, place)
