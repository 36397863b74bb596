"""Images to pre-train on: a folder, a list or any data set of the hosts, no labels needed."""

import logging
from collections.abc import Sequence
from pathlib import Path

from mmengine.fileio import get_file_backend
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from .annotations import read_annotations
from .folder import IMAGE_SUFFIXES, find_images
from .master_image import defer_decoding
from .sampling import SampleIndex
from .seeding import seeded
from .skipped import SkippedImages, UnreadableError, read_or_replace


@DATASETS.register_module()
class PretrainDataset(CustomDataset):
    """The images of a folder, with or without sub-folders, or of a list; labels are not read.

    A file that can't be read is reported by the pipeline and replaced by another image. The
    first image is loaded when the dataset is built, so that a broken pipeline fails at once and
    in one process.

    Args:
        data_root: folder that is searched recursively.
        data_prefix: sub-folder of ``data_root`` to use.
        ann_file: text file below ``data_root``, with the path of an image on each line, below
            ``data_root`` and ``data_prefix``, or a path and a label; without it the folder is
            searched.
        extensions: suffixes of the image files; by default all that the decoder reads. The log
            says what was skipped.
        max_refetch: number of consecutive unreadable images after which the run stops.
        **kwargs: of mmpretrain's CustomDataset.

    Raises:
        FileNotFoundError: no such folder or list, or no image in it.
        RuntimeError: ``max_refetch`` images in a row could not be read.
    """

    skipped: SkippedImages | None = None

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
        defer_decoding(self.pipeline)
        if not lazy_init:
            self.full_init()
            self[SampleIndex(0, entropy=(0,))]

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
        if self.ann_file:
            return self._listed()
        return super().load_data_list()

    def _listed(self) -> list[dict]:
        sources = read_annotations(self.ann_file)
        if not sources:
            raise FileNotFoundError(f'no image in {self.ann_file!r}: expected a path on each line')
        join = get_file_backend(self.img_prefix, enable_singleton=True).join_path
        return [dict(img_path=join(self.img_prefix, source.path)) for source in sources]

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

    def watch(self, skipped: SkippedImages) -> None:
        """Report images that can't be read, from now on."""
        self.skipped = skipped

    def __getitem__(self, index: int) -> dict:
        """Load a sample.

        Args:
            index: of the image; a :class:`SampleIndex` also seeds its views.
        """
        with seeded(getattr(index, 'entropy', None)):
            return read_or_replace(
                self,
                self._load,
                int(index),
                self._rand_another,
                self.skipped,
                self.max_refetch,
            )

    def _load(self, index: int) -> dict:
        info = self.get_data_info(index)
        path = info['img_path']  # transforms change the dict
        sample = None if 'unreadable' in info else self.pipeline(info)
        if sample is None:
            raise UnreadableError(path, info.get('unreadable', 'its pipeline returned nothing'))
        return sample
