"""Shards in a folder, or wherever fsspec reads from."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, Protocol

from .shard_index import FILE_NAME, Shard, ShardIndex

_MAX_OPEN = 128  # files per process, of the usual limit of 1024


class ShardStorage(Protocol):
    """Where shards are read from.

    Attributes:
        index: of the shards.
        capacity: number of shards that can be read in turn without fetching one twice.
    """

    index: ShardIndex

    @property
    def capacity(self) -> float: ...

    def read(self, shard: Shard, start: int, num_bytes: int) -> bytes:
        """Read a part of a shard; fewer bytes if the file ends before."""

    def expect(self, shard: Shard) -> None:
        """Prepare for reading a shard soon, without waiting."""


def open_shards(
    root: str, cache_dir: str, cache_gb: float, storage_options: dict | None
) -> ShardStorage:
    """Open the shards of a folder or of a URL.

    Args:
        root: folder, or URL of any kind that fsspec reads.
        cache_dir: folder for copies of shards from a URL.
        cache_gb: largest size of the copies, in 10^9 bytes.
        storage_options: of fsspec's file system.
    """
    if '://' not in root:
        return LocalShards(root)
    from .remote_shards import RemoteShards  # needs fsspec

    return RemoteShards(root, cache_dir, int(cache_gb * 1e9), storage_options or {})


class LocalShards:
    """Shards in a folder; the files that are read stay open.

    Args:
        folder: with an index and its shards.

    Raises:
        FileNotFoundError: no index.
        ValueError: a bad index, or a shard has not the size that the index says.
    """

    capacity = float('inf')

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        path = self.folder / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f'no {FILE_NAME} in {str(folder)!r}: pack the images with tools/make_shards.py, or '
                'set data_root and data_prefix of the dataset'
            )
        self.index = ShardIndex.parse(path.read_bytes(), str(path))
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()
        for shard in self.index.shards:
            file = self.folder / shard.name
            found = file.stat().st_size if file.is_file() else 'no'
            if found != shard.num_bytes:
                raise ValueError(
                    f'{file} has {found} bytes, expected {shard.num_bytes} from {FILE_NAME}: '
                    'copy or pack it again'
                )

    def read(self, shard: Shard, start: int, num_bytes: int) -> bytes:
        """Read a part of a shard; fewer bytes if the file ends before."""
        # pread: forked workers share the position in the file
        return os.pread(self._open(shard.name).fileno(), num_bytes, start)

    def expect(self, shard: Shard) -> None:
        """Do nothing: the files are here."""

    def _open(self, name: str) -> BinaryIO:
        if name not in self._files:
            self._files[name] = (self.folder / name).open('rb', buffering=0)
            if len(self._files) > _MAX_OPEN:
                self._files.popitem(last=False)[1].close()
        self._files.move_to_end(name)
        return self._files[name]

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_files': OrderedDict()}
