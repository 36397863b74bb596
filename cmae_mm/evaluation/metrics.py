"""Metrics of scores for classes: accuracy, recall per class, AUROC, mean average precision."""

from typing import Any

import torch
from torch import Tensor

from cmae_mm.compat import from_extra


def classification_metrics(scores: Tensor, labels: Tensor) -> dict[str, Any]:
    """Compare scores with labels, by torchmetrics.

    Args:
        scores: shape (M, classes), larger for likelier classes.
        labels: int64, shape (M,), or, if an image may have several, booleans, shape (M, classes).

    Returns:
        in per cent, for one label per image: ``accuracy``, ``recall_per_class`` (None where no
        image has the class), ``mean_recall`` of those that have, ``top5`` with more than five
        classes, and ``auroc`` with two that both occur; for several: ``mAP`` and ``auroc``, means
        over the classes of which there are images with and without.

    Raises:
        ImportError: torchmetrics is not installed.
    """
    labels = labels.to(scores.device)
    fractions = _of_several(scores, labels) if labels.ndim == 2 else _of_one(scores, labels)
    return {name: _per_cent(value) for name, value in fractions.items()}


def _of_one(scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
    of, classes = _torchmetrics(), scores.shape[1]
    recall = of.multiclass_recall(scores, labels, classes, average=None)
    recall[labels.bincount(minlength=classes) == 0] = torch.nan
    results = dict(
        accuracy=of.multiclass_accuracy(scores, labels, classes, average='micro'),
        recall_per_class=recall,
        mean_recall=recall.nanmean(),
    )
    if classes > 5:
        results['top5'] = of.multiclass_accuracy(scores, labels, classes, 'micro', top_k=5)
    if classes == 2 and len(labels.unique()) == 2:
        results['auroc'] = of.binary_auroc(_to_unit_interval(scores[:, 1] - scores[:, 0]), labels)
    return results


def _of_several(scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
    of = _torchmetrics()
    known = labels.any(dim=0) & ~labels.all(dim=0)
    of_known = (_to_unit_interval(scores[:, known]), labels[:, known].long(), int(known.sum()))
    return dict(
        mAP=of.multilabel_average_precision(*of_known), auroc=of.multilabel_auroc(*of_known)
    )


def _to_unit_interval(scores: Tensor) -> Tensor:
    """Keep the order: torchmetrics would take other numbers through a sigmoid, which rounds."""
    scores = scores.double()
    least, most = scores.amin(dim=0), scores.amax(dim=0)
    return (scores - least) / (most - least).clamp(min=torch.finfo(scores.dtype).tiny)


def _per_cent(value: Tensor) -> float | list | None:
    if value.ndim:
        return [_per_cent(one) for one in value]
    return None if value.isnan() else round(100 * value.item(), 4)


def _torchmetrics():
    """Return torchmetrics' functions for classification; imported here, which takes seconds."""
    with from_extra('evaluation'):
        from torchmetrics.functional import classification
    return classification
