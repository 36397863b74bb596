"""The index of a folder of shards: its tar files, and where in them each image lies."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE_NAME = 'index.json'
VERSION = 1
_EXPECTED = f'expected what tools/make_shards.py writes, version {VERSION}'


@dataclass(frozen=True)
class Shard:
    """A tar file of images.

    Attributes:
        name: of the file.
        num_bytes: size of the file.
        offsets: where the images' contents begin in it, in bytes; int64 (N,).
        sizes: of the contents, in bytes; int64 (N,).
        labels: of the images, int64 (N,); None if they were packed without.
    """

    name: str
    num_bytes: int
    offsets: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets)


class ShardIndex:
    """The shards of a data set, in the order of its images.

    Args:
        shards: each with at least one image.
    """

    def __init__(self, shards: list[Shard]) -> None:
        self.shards = shards
        self._ends = np.cumsum([len(shard) for shard in shards])

    @classmethod
    def parse(cls, content: bytes, origin: str) -> 'ShardIndex':
        """Read an index file.

        Args:
            content: of the file.
            origin: where it was found, for messages.

        Raises:
            ValueError: not an index, of another version, or with numbers that disagree.
        """
        try:
            index = json.loads(content)
            version, total = index['version'], index['samples']
            shards = [_shard(fields) for fields in index['shards'] if version == VERSION]
            consistent = total == sum(map(len, shards)) and all(
                len(shard) == len(shard.sizes) == fields['samples'] > 0
                for shard, fields in zip(shards, index['shards'])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{origin} is not an index of shards ({error!r}): {_EXPECTED}'
            ) from None
        if version != VERSION:
            raise ValueError(f'{origin} has version {version}: {_EXPECTED}')
        if not shards or not consistent:
            raise ValueError(f'{origin} disagrees with itself on the number of images: pack again')
        return cls(shards)

    def write(self, folder: Path) -> None:
        """Write the index file into a folder, whole or not at all."""
        index = dict(version=VERSION, samples=len(self), shards=list(map(_fields, self.shards)))
        unfinished = folder / f'{FILE_NAME}.part'
        with unfinished.open('w') as file:
            json.dump(index, file, separators=(',', ':'))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / FILE_NAME)

    def __len__(self) -> int:
        """Return the number of images."""
        return int(self._ends[-1])

    def locate(self, index: int) -> tuple[Shard, int]:
        """Return the shard of an image, and its place there."""
        number = int(np.searchsorted(self._ends, index, side='right'))
        shard = self.shards[number]
        return shard, index - int(self._ends[number]) + len(shard)


def _shard(fields: dict) -> Shard:
    columns = {
        name: np.asarray(fields[name], np.int64)
        for name in ('offsets', 'sizes', 'labels')
        if name in fields
    }
    if Path(fields['name']).name != fields['name']:
        # copies of it would lie outside of their folder
        raise ValueError(f'{fields["name"]!r} as the name of a shard')
    return Shard(fields['name'], fields['bytes'], **columns)


def _fields(shard: Shard) -> dict:
    fields = dict(
        name=shard.name,
        samples=len(shard),
        bytes=shard.num_bytes,
        offsets=shard.offsets.tolist(),
        sizes=shard.sizes.tolist(),
    )
    if shard.labels is not None:
        fields['labels'] = shard.labels.tolist()
    return fields
