"""A bounded number of labelled images of each class, from class folders or any data set."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.registry import DATASETS
from torch import Tensor
from torch.utils.data import Dataset

from cmae_mm.datasets.folder import find_images

from .images import image_pipeline

UNREADABLE = -1  # in place of a label


class LabelledRecords(NamedTuple):
    """Labels and records of images that are read later.

    Attributes:
        labels: int64 in [0, classes), shape (N,).
        classes: names, or whatever tells one source's classes from another's.
        record: from an index to mmpretrain's record of an image, with ``img_path``, or ``img``,
            uint8 (h, w, channels).
    """

    labels: np.ndarray
    classes: Sequence
    record: Callable[[int], dict]


def find_labelled(source: str | Path | dict) -> LabelledRecords:
    """Find labelled images; none is read.

    Args:
        source: folder of class folders, ``root/<class>/**/*``, or the config of a data set of
            mmpretrain with one label per image, whose pipeline is not used.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no labels, several for an image, or fewer than two classes.
    """
    found = _of_dataset(source) if isinstance(source, dict) else _of_folders(str(source))
    count = len(np.unique(found.labels))
    if count < 2:
        raise ValueError(
            f'images of {count} classes in {_name(source)}: a probe needs at least two, '
            'as class folders, root/<class>/*.jpg, or as labels of a data set'
        )
    return found


def _of_folders(root: str) -> LabelledRecords:
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f'no folder {root!r}: give a folder with one sub-folder of images per class'
        )
    # listed here: the host's data set takes a minute and a half for ImageNet's training images
    paths = [path for path in find_images(root)[0] if len(PurePath(path).parts) > 1]
    names = [PurePath(path).parts[0] for path in paths]
    classes, labels = np.unique(names, return_inverse=True)
    return LabelledRecords(
        labels, classes.tolist(), lambda index: {'img_path': str(Path(root, paths[index]))}
    )


def _of_dataset(config: dict) -> LabelledRecords:
    dataset = DATASETS.build({**config, 'pipeline': []})
    labels = [dataset.get_data_info(index).get('gt_label') for index in range(len(dataset))]
    if not all(isinstance(label, (int, np.integer)) for label in labels):
        wrong = next(label for label in labels if not isinstance(label, (int, np.integer)))
        raise ValueError(
            f'a label of {_name(config)} is {wrong!r}: a probe needs a data set with one class '
            'per image (gt_label)'
        )
    labels = np.array(labels, dtype=np.int64)
    classes = dataset.metainfo.get('classes') or np.unique(labels).tolist()
    return LabelledRecords(labels, list(classes), dataset.get_data_info)


def _name(source: str | Path | dict) -> str:
    if not isinstance(source, dict):
        return repr(str(source))
    return f'{source.get("type")} {source.get("data_root", "")!r}'


def spread(labels: np.ndarray, per_class: int, parts: int = 1) -> list[np.ndarray]:
    """Choose images of each class at even distances, in disjoint parts.

    Args:
        labels: shape (N,).
        per_class: largest number of images of a class in a part.
        parts: number of them.

    Returns:
        indices of each part, in ascending order.
    """
    chosen: list[list[np.ndarray]] = [[] for _ in range(parts)]
    order = np.argsort(labels, kind='stable')
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    for group in np.split(order, borders):
        count = min(parts * per_class, len(group))
        group = group[np.arange(count) * len(group) // count]
        for part in range(parts):
            chosen[part].append(group[part::parts])
    return [np.sort(np.concatenate(part)) for part in chosen]


class ProbeImages(Dataset):
    """One rank's share of chosen images, in the form that a frozen encoder takes.

    An item is the image, uint8 ``(channels, *size)``, and its label; where it can't be read (
    ``LoadImage`` logs a warning), zeros and ``UNREADABLE``. All ranks have as many items: those
    that a rank has too many repeat others as unreadable.

    Args:
        chosen: images and indices of those to use.
        size: (height, width), in pixels.
        channels: of the images.
        rank, world: this rank, and the number of all.

    Attributes:
        classes: number of them.
    """

    def __init__(
        self,
        chosen: tuple[LabelledRecords, np.ndarray],
        size: tuple[int, int],
        channels: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        images, indices = chosen
        self.classes = len(images.classes)
        self.shape = (channels, *size)
        self.records, self.labels = [], []
        for place in range(rank, -(-len(indices) // world) * world, world):
            index = int(indices[place % len(indices)])
            self.records.append(images.record(index))
            self.labels.append(int(images.labels[index]) if place < len(indices) else UNREADABLE)
        self.load = Compose(image_pipeline(size, channels))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        results = self.load(dict(self.records[index]))
        if results is None:
            return torch.zeros(self.shape, dtype=torch.uint8), UNREADABLE
        return results['image'], self.labels[index]


def choose_images(
    train: str | Path | dict,
    test: str | Path | dict | None,
    per_class: int,
    shape: tuple[int, int, int],
    rank: int = 0,
    world: int = 1,
) -> tuple[ProbeImages, ProbeImages]:
    """Choose images to learn from and images to classify.

    Args:
        train, test: see :func:`find_labelled`; without ``test``, further images of ``train``.
        per_class: largest number of images of a class in each.
        shape: (channels, height, width) of the encoder's input.
        rank, world: this rank, and the number of all.

    Raises:
        FileNotFoundError, ValueError: see there; or ``test`` has other classes, or ``train`` no
            further images.
    """
    known = find_labelled(train)
    parts = spread(known.labels, per_class, parts=1 if test else 2)
    asked = (known, parts[-1])
    if test:
        other = find_labelled(test)
        if other.classes != known.classes:
            differing = sorted(map(str, set(known.classes) ^ set(other.classes)))
            raise ValueError(
                f'{_name(test)} has other classes than {_name(train)}, from which the probe '
                f'learns: {", ".join(differing[:5])}'
            )
        asked = (other, spread(other.labels, per_class)[0])
    elif not len(parts[1]):
        raise ValueError(
            f'one image per class in {_name(train)}: a probe needs more, or images '
            'to classify (test)'
        )
    channels, height, width = shape
    how = ((height, width), channels, rank, world)
    return ProbeImages((known, parts[0]), *how), ProbeImages(asked, *how)
