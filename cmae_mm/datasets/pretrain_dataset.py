"""Images to pre-train on: any folder, no labels needed."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from .folder import IMAGE_SUFFIXES, find_images


@DATASETS.register_module()
class PretrainDataset(CustomDataset):
    """The images of a folder, with or without sub-folders; labels are not read.

    A file that can't be read is reported by the pipeline and replaced by another image. The
    first image is loaded when the dataset is built, so that a broken pipeline fails at once and
    in one process.

    Args:
        data_root: folder that is searched recursively.
        data_prefix: sub-folder of ``data_root`` to use.
        extensions: suffixes of the image files; by default all that the decoder reads. The log
            says what was skipped.
        max_refetch: number of consecutive unreadable images after which the run stops.
        **kwargs: of mmpretrain's CustomDataset.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
        RuntimeError: ``max_refetch`` images in a row could not be read.
    """

    def __init__(
        self,
        data_root: str,
        data_prefix: str = '',
        extensions: Sequence[str] = IMAGE_SUFFIXES,
        max_refetch: int = 100,
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix,
            with_label=False,
            extensions=extensions,
            max_refetch=max_refetch,
            lazy_init=True,
            **kwargs,
        )
        if not lazy_init:
            self.full_init()
            self[SampleIndex(0, seed=0)]

    def load_data_list(self) -> list:
        """List the images.

        Raises:
            FileNotFoundError: no such folder.
        """
        if '://' not in self.img_prefix and not Path(self.img_prefix).is_dir():
            raise FileNotFoundError(
                f'no image folder {self.img_prefix!r}: put images there, link it '
                '(ln -s /where/they/are), or set data_root of the dataset'
            )
        return super().load_data_list()

    def _find_samples(self) -> list[str]:
        if '://' in self.img_prefix:
            return super()._find_samples()
        images, passed_over = find_images(self.img_prefix, self.extensions)
        counts = ', '.join(f'{count} {kind}' for kind, count in passed_over.most_common())
        if not images:
            raise FileNotFoundError(
                f'no image in {self.img_prefix!r}: expected files that end in '
                f'{", ".join(sorted(self.extensions))}; found {counts or "none"}'
            )
        if counts:
            print_log(f'passed over in {self.img_prefix!r}: {counts}', 'current', logging.WARNING)
        return images

    def __getitem__(self, index: int) -> dict:
        """Load a sample.

        Args:
            index: of the image; a :class:`SampleIndex` also seeds its views.
        """
        with numpy_seed(getattr(index, 'seed', None)):
            image = int(index)
            for _ in range(self.max_refetch):
                data = self.prepare_data(image)
                if data is not None:
                    return data
                image = self._rand_another()
        raise RuntimeError(
            f'{self.max_refetch} images in a row could not be read in '
            f'{self.img_prefix!r}, the last {self.get_data_info(image)["img_path"]!r}:'
            ' are these 8-bit image files?'
        )


class SampleIndex(int):
    """An index that carries its sample's seed, also to workers."""

    seed: int

    def __new__(cls, index: int, seed: int):
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __getnewargs__(self):
        return int(self), self.seed


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """The host's sampler, with indices that carry their sample's seed.

    A sample then depends on (seed, epoch, index) alone: not on the number of workers or ranks,
    nor on where a run was resumed.
    """

    def __iter__(self) -> Iterator[SampleIndex]:
        for index in super().__iter__():
            entropy = np.random.SeedSequence((self.seed, self.epoch, index))
            yield SampleIndex(index, seed=int(entropy.generate_state(1)[0]))


@contextlib.contextmanager
def numpy_seed(seed: int | None):
    """Seed numpy's global generator, which transforms draw from, within a block.

    Args:
        seed: None leaves the generator alone.
    """
    if seed is None:
        yield
        return
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
