"""Probes of frozen features: nearest neighbours and logistic regression."""

import torch
from torch import Tensor
from torch.nn import functional as F


def knn_predict(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 1024,
) -> Tensor:
    """Predict labels by a vote of the ``k`` nearest training images in cosine similarity.

    A neighbour with similarity s votes with weight exp(s / temperature) (Wu et al.,
    arXiv 1805.01978, Sec. 3.4, whose temperature is the default).

    Args:
        train_features: shape (N, D).
        train_labels: int64 in [0, classes), shape (N,).
        features: shape (M, D).
        k: number of neighbours; all N if there are fewer.
        temperature: above 0.
        chunk: rows of ``features`` compared at once, which bounds memory.

    Returns:
        labels, int64, shape (M,).
    """
    bank = F.normalize(train_features, dim=1).T  # (D, N)
    k = min(k, len(train_labels))
    classes = int(train_labels.max()) + 1
    predictions = []
    for rows in F.normalize(features, dim=1).split(chunk):
        similarity, neighbours = (rows @ bank).topk(k)  # (m, k)
        # relative to the nearest: the same vote, and no overflow
        weights = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = weights.new_zeros(len(rows), classes)
        votes.scatter_add_(1, train_labels[neighbours], weights)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)


def linear_predict(train_features: Tensor, train_labels: Tensor, features: Tensor) -> Tensor:
    """Predict labels by multinomial logistic regression on standardised features.

    Arguments and return value are those of :func:`knn_predict`; the regularisation is
    scikit-learn's default.
    """
    # imported here: the rest of the package does not need scikit-learn
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    # Its matrix products are small: split among threads that wait for each other, they took up
    # to thirty times as long on busy cores.
    with threadpool_limits(1):
        probe.fit(train_features.numpy(), train_labels.numpy())
    return torch.from_numpy(probe.predict(features.numpy()))
