"""Images with labels: class folders, or any data set of the hosts."""

import hashlib
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from cmae_mm.datasets.folder import IMAGE_SUFFIXES

from .loading import image_pipeline


class LabelledImages(Dataset):
    """Images of a data set with labels, in the form that a frozen encoder takes.

    An item is ``{'image': (C, H, W), 'gt_label': ..., 'index': int}``, or None if the file
    can't be read (``LoadImage`` logs a warning). The label is an int, or, if images may have
    several, booleans of shape (classes,).

    Args:
        dataset: of mmpretrain, or any whose ``get_data_info`` returns ``img_path`` (or ``img``,
            RGB) and ``gt_label``, an int or a list. Its own pipeline is not used.
        size: (height, width) of the images, in pixels.
        channels: of the images.
        loading: see :func:`~.loading.image_pipeline`.

    Raises:
        ValueError: no labels, or fewer than two classes; later, no label of one image, or several.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: tuple[int, int],
        channels: int,
        loading: dict | None = None,
    ) -> None:
        self.dataset, self.metainfo, self.name = dataset, dataset.metainfo, _name(dataset)
        self.pipeline = Compose(image_pipeline(size, channels, loading))
        self.classes: tuple[str, ...] | None = self.metainfo.get('classes')
        if self.classes is not None and len(self.classes) < 2:
            raise ValueError(f'{self.name} has {len(self.classes)} class: at least two are needed')
        info = dataset.get_data_info(0)
        if 'gt_label' not in info:
            raise ValueError(
                f'{self.name} has no labels (gt_label), its images have {", ".join(sorted(info))}: '
                'give class folders or a data set with labels'
            )
        self.multi_label = isinstance(info['gt_label'], Sequence | np.ndarray)
        if self.multi_label and self.classes is None:
            raise ValueError(f'{self.name} has several labels per image, but no classes: name them')

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict | None:
        info = self.dataset.get_data_info(index)
        results = self.pipeline(info)
        if results is None:
            return None
        return dict(image=results['image'], gt_label=self._label(info), index=index)

    def labels(self, indices: Sequence[int]) -> Tensor:
        """Return the labels of some images, without reading them, collated."""
        return default_collate([self._label(self.dataset.get_data_info(i)) for i in indices])

    def fingerprint(self) -> str:
        """Return a hash of the images' paths, or of their pixels if they are in memory."""
        digest = hashlib.sha256()
        for index in range(len(self)):
            info = self.dataset.get_data_info(index)
            image = info.get('img')
            content = str(info['img_path']).encode() if image is None else image.tobytes()
            digest.update(content + b'\0')
        return digest.hexdigest()

    def _label(self, info: dict) -> int | Tensor:
        if not self.multi_label:
            label: Any = info.get('gt_label')
            try:
                return operator.index(label)
            except TypeError:
                raise ValueError(
                    f'a label of {self.name} is {label!r}, others are one class: each image needs '
                    'one (gt_label)'
                ) from None
        labels = torch.zeros(len(self.classes or ()), dtype=torch.bool)
        labels[torch.as_tensor(info['gt_label'], dtype=torch.long)] = True
        return labels


class ClassFolder(LabelledImages):
    """Images in class folders, ``root/<class>/*``; their labels follow the folders' names.

    Args:
        root: folder with one sub-folder per class.
        size: (height, width) of the images, in pixels.
        channels: of the images.
        classes: names of the sub-folders; None means those found.
        loading: see :func:`~.loading.image_pipeline`.

    Raises:
        FileNotFoundError: no such folder, no class folder in it, or no image in those.
        ValueError: fewer than two classes, or others than ``classes``.
    """

    def __init__(
        self,
        root: str | Path,
        size: tuple[int, int],
        channels: int,
        classes: Sequence[str] | None = None,
        loading: dict | None = None,
    ) -> None:
        _check_folders(Path(root), classes)
        try:
            found = CustomDataset(data_root=str(root), extensions=IMAGE_SUFFIXES, test_mode=True)
        except RuntimeError as error:
            raise FileNotFoundError(f'no image in the class folders of {str(root)!r}') from error
        super().__init__(found, size, channels, loading)


def labelled_images(
    source: str | Path | dict,
    size: tuple[int, int],
    channels: int,
    classes: Sequence[str] | None = None,
    loading: dict | None = None,
) -> LabelledImages:
    """Return the images of a folder or of a data set's config.

    Args:
        source: folder of class folders, or config of a data set that :class:`LabelledImages` takes.
        size: (height, width) of the images, in pixels.
        channels: of the images.
        classes: that the images should have; None means any.
        loading: see :func:`~.loading.image_pipeline`.

    Raises:
        FileNotFoundError, ValueError: see :class:`ClassFolder` and :class:`LabelledImages`.
    """
    if not isinstance(source, dict):
        return ClassFolder(source, size, channels, classes, loading)
    images = LabelledImages(DATASETS.build(source), size, channels, loading)
    if classes is not None and images.classes is not None:
        _check_classes(images.name, images.classes, classes)
    return images


def number_of_classes(images: LabelledImages, *labels: Tensor) -> int:
    """Return the number of classes of images.

    Args:
        images: the first of some sets of images of the same classes.
        *labels: of each set, int64 (N,) or booleans (N, classes).

    Raises:
        ValueError: the first labels are all the same, or a label is not that of a class.
    """
    if images.multi_label:
        return labels[0].shape[1]
    if len(labels[0].unique()) < 2:
        raise ValueError(f'all images of {images.name} have one class: at least two are needed')
    used = 1 + max(int(some.max()) for some in labels)
    if (least := min(int(some.min()) for some in labels)) < 0:
        raise ValueError(f'an image has the label {least}: labels count from 0')
    if images.classes is None:
        return used
    if used > len(images.classes):
        raise ValueError(
            f'{images.name} has {len(images.classes)} classes, but an image has the label '
            f'{used - 1}: labels count from 0'
        )
    return len(images.classes)


def collate(samples: list[dict | None]) -> dict[str, Tensor]:
    """Collate the items of LabelledImages, skipping unreadable ones.

    Returns:
        ``image``, (N, C, H, W), ``gt_label``, int64 (N,) or booleans (N, classes), and
        ``index``, int64 (N,); empty if no image can be read.
    """
    readable = [sample for sample in samples if sample is not None]
    return default_collate(readable) if readable else {}


def _name(dataset: Dataset) -> str:
    root = getattr(dataset, 'data_root', None)
    return repr(str(root)) if root else type(dataset).__name__


def _check_folders(root: Path, classes: Sequence[str] | None) -> None:
    if not root.is_dir():
        raise FileNotFoundError(
            f'no folder {str(root)!r}: give a folder with one sub-folder of images per class'
        )
    found = sorted(path.name for path in root.iterdir() if path.is_dir())
    if not found:
        raise FileNotFoundError(
            f'no class folders in {str(root)!r}: expected one sub-folder of images per '
            'class, root/<class>/*.jpg'
        )
    if len(found) < 2:
        raise ValueError(
            f'only one class, {found[0]!r}, in {str(root)!r}: at least two sub-folders are needed'
        )
    if classes is not None:
        _check_classes(repr(str(root)), found, classes)


def _check_classes(name: str, found: Sequence[str], classes: Sequence[str]) -> None:
    differing = sorted(set(found) ^ set(classes))
    if differing:
        raise ValueError(
            f'{name} has other classes than the training images: '
            f'{", ".join(differing[:5])}; both need the same'
        )
    if tuple(found) != tuple(classes):
        raise ValueError(f'{name} has the classes of the training images in another order')
