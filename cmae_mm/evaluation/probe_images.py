"""A bounded number of labelled images of each class, from class folders or any data set."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Subset

from .images import LabelledImages, labelled_images, number_of_classes


class ProbeImages(NamedTuple):
    """Images of a probe, as LabelledImages gives them.

    Attributes:
        known: to learn from.
        asked: to classify.
        classes: number of them.
    """

    known: Subset
    asked: Subset
    classes: int


def choose_images(
    train: str | Path | dict,
    test: str | Path | dict | None,
    per_class: int,
    shape: tuple[int, int, int],
    loading: dict | None = None,
) -> ProbeImages:
    """Choose images to learn from and images to classify; none is read.

    Args:
        train, test: see :func:`~.images.labelled_images`; without ``test``, further images of
            ``train``.
        per_class: largest number of images of a class in each.
        shape: (channels, height, width) of the encoder's input.
        loading: see :func:`~.images.image_pipeline`.

    Raises:
        FileNotFoundError, ValueError: see there; or images have several labels, or ``train`` no
            further images.
    """
    channels, height, width = shape
    size = (height, width)
    images = labelled_images(train, size, channels, loading=loading)
    labels = _one_each(images)
    if test:
        others = labelled_images(test, size, channels, images.classes, loading)
        other_labels = _one_each(others)
        (known,), (asked,) = spread(labels, per_class), spread(other_labels, per_class)
    else:
        others, other_labels = images, labels
        known, asked = spread(labels, per_class, parts=2)
    if not asked:
        raise ValueError(
            f'one image per class in {images.name}: a probe needs more, or images to classify '
            '(test)'
        )
    classes = number_of_classes(images, labels, other_labels)
    return ProbeImages(Subset(images, known), Subset(others, asked), classes)


def _one_each(images: LabelledImages) -> Tensor:
    """Return the label of each image."""
    if images.multi_label:
        raise ValueError(f'{images.name} has several labels per image: a probe needs one')
    return images.labels(range(len(images)))


def spread(labels: Tensor, per_class: int, parts: int = 1) -> list[list[int]]:
    """Choose images of each class at even distances, in disjoint parts.

    Args:
        labels: int64, shape (N,).
        per_class: largest number of images of a class in a part.
        parts: number of them.

    Returns:
        indices of each part, in ascending order.
    """
    chosen: list[list[Tensor]] = [[] for _ in range(parts)]
    order = labels.argsort(stable=True)
    counts = labels.unique(return_counts=True)[1]
    for group in order.split(counts.tolist()):
        count = min(parts * per_class, len(group))
        group = group[torch.arange(count) * len(group) // count]
        for part in range(parts):
            chosen[part].append(group[part::parts])
    return [torch.cat(part).sort().values.tolist() for part in chosen]
