"""Images to pre-train on, in shards: tar files with an index of what is in them."""

import posixpath
import tarfile

from mmengine.dataset.base_dataset import force_full_init
from mmpretrain.registry import DATASETS

from .pretrain_dataset import PretrainDataset
from .shard_storage import open_shards

_HEADER = 512  # bytes, just before the content


@DATASETS.register_module()
class ShardDataset(PretrainDataset):
    """The images of a folder of shards, which ``tools/make_shards.py`` packs.

    Each can be read by its index, so that the seeds of samples, an exact resume and the
    replacement of broken images are those of :class:`PretrainDataset`.
    :class:`~cmae_mm.datasets.ShardSampler` gives them in an order that reads few shards at a time.

    Args:
        data_root: folder with an index and its shards, or a URL: http, https, s3, gs and whatever
            else fsspec reads.
        data_prefix: sub-folder of ``data_root`` to use.
        cache_dir: folder for copies of shards from a URL; the processes of a machine share it.
        cache_gb: largest size of these copies, in 10^9 bytes.
        storage_options: of fsspec's file system for a URL.
        **kwargs: of PretrainDataset.

    Raises:
        FileNotFoundError: no index.
        RuntimeError: a server does not deliver; ``max_refetch`` images in a row could not be read.
        ValueError: the index is not one, or disagrees with the sizes of the shards.
    """

    def __init__(
        self,
        data_root: str,
        data_prefix: str = '',
        cache_dir: str = '~/.cache/cmae_mm/shards',
        cache_gb: float = 100,
        storage_options: dict | None = None,
        **kwargs,
    ) -> None:
        self.storage_config = (cache_dir, cache_gb, storage_options)
        super().__init__(data_root, data_prefix, serialize_data=False, **kwargs)

    def _join_prefix(self) -> None:
        """Join root and prefix; the host knows fewer kinds of URLs."""
        for name, prefix in self.data_prefix.items():
            self.data_prefix[name] = posixpath.join(self.data_root, prefix).rstrip('/')

    def load_data_list(self) -> range:
        """Open the shards; returns the indices of their images."""
        self.shards = open_shards(self.img_prefix, *self.storage_config)
        return range(len(self.shards.index))

    def expect(self, index: int) -> None:
        """Let the shard that an index announces be there when it is needed.

        Args:
            index: a :class:`~cmae_mm.datasets.shard_sampler.ShardSampleIndex` announces one.
        """
        number = getattr(index, 'upcoming', -1)
        if number >= 0:
            self.shards.expect(self.shards.index.shards[number])

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Read the file of an image.

        Returns:
            ``img_path``, such as ``000000.tar/class/name.jpg``; ``content``, bytes, or
            ``unreadable``, why there are none; ``gt_label``, if there are labels.
        """
        index = self.data_list[idx]
        shard, place = self.shards.index.locate(index)
        size, start = int(shard.sizes[place]), int(shard.offsets[place])
        info = dict(img_path=f'{shard.name}/image {place}', sample_idx=index)
        if shard.labels is not None:
            info['gt_label'] = int(shard.labels[place])
        try:
            member = self.shards.read(shard, start - _HEADER, _HEADER + size)
            header = tarfile.TarInfo.frombuf(member[:_HEADER], 'utf-8', 'replace')
        except (OSError, tarfile.HeaderError) as error:
            return dict(info, unreadable=f'{type(error).__name__}: {error}')
        info['img_path'] = f'{shard.name}/{header.name}'
        if header.size != size or len(member) != _HEADER + size:
            return dict(
                info,
                unreadable=f'{len(member) - _HEADER} bytes, {header.size} in the tar file and '
                f'{size} in the index',
            )
        return dict(info, content=member[_HEADER:])
