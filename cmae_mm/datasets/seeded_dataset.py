"""Datasets of the hosts, made fit for an exact resume and for images that can't be read."""

import logging
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from .seeding import seeded
from .skipped import SkippedImages, UnreadableError, image_path, read_or_replace

_MAX_REFETCH = 100  # unreadable images in a row, as PretrainDataset


@DATASETS.register_module()
class SeededDataset:
    """Any map-style dataset, its transforms seeded for each sample by its index.

    To everyone else it is the dataset within: attributes are read from and written to that.
    An image that its transforms can't read is replaced by another one, as in
    :class:`~cmae_mm.datasets.PretrainDataset`.

    Args:
        dataset: config of the dataset within.
    """

    def __init__(self, dataset: dict) -> None:
        inner = DATASETS.build(dataset)
        if hasattr(inner, 'full_init'):
            inner.full_init()
        self.__dict__.update(_inner=inner, _skipped=None)

    def watch(self, skipped: SkippedImages) -> None:
        """Report images that can't be read, from now on."""
        if hasattr(self._inner, 'watch'):
            self._inner.watch(skipped)
        else:
            self.__dict__['_skipped'] = skipped

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> Any:
        """Load a sample.

        Args:
            index: a :class:`~cmae_mm.datasets.sampling.SampleIndex` seeds the transforms.
        """
        if hasattr(self._inner, 'expect'):
            self._inner.expect(index)
        with seeded(getattr(index, 'entropy', None)):
            return read_or_replace(
                self._inner, self._load, int(index), self._draw, self._skipped, _MAX_REFETCH
            )

    def _draw(self) -> int:
        return int(np.random.randint(len(self._inner)))

    def _load(self, index: int) -> Any:
        try:
            return self._inner[index]
        except (OSError, cv2.error, AssertionError) as error:
            # mmcv's loader asserts that there is an image
            if isinstance(error, AssertionError) and 'failed to load image' not in str(error):
                raise
            unreadable = UnreadableError(
                image_path(self._inner, index), f'{type(error).__name__}: {error}'
            )
            print_log(f'skipped {unreadable}', 'current', logging.WARNING)
            raise unreadable from None

    def __getattr__(self, name: str) -> Any:
        if name == '_inner':  # while it is unpickled
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)
