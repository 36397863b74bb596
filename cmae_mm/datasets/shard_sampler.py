"""An order of samples that is random and yet reads few shards at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.registry import DATA_SAMPLERS

from .sampling import SampleIndex, SeededSampler
from .shards import ShardDataset


class ShardSampleIndex(SampleIndex):
    """An index that also says which shard will be needed soon.

    Args:
        index: of the sample.
        entropy: non-negative integers that seed the sample's transforms.
        upcoming: number of the shard; -1 for none.
    """

    upcoming: int

    def __new__(cls, index: int, entropy: Sequence[int], upcoming: int):
        self = super().__new__(cls, index, entropy)
        self.upcoming = upcoming
        return self

    def __getnewargs__(self):
        return *super().__getnewargs__(), self.upcoming


@DATA_SAMPLERS.register_module()
class ShardSampler(SeededSampler):
    """A random order for shards, the same for any number of ranks, which share them out.

    The shards are shuffled, and the images within each. This sequence is cut into lanes of equal
    length, which give a sample in turn: a batch mixes as many shards as there are lanes. Of R
    ranks each takes every R-th sample; if the number of lanes is a multiple of R, a rank's samples
    are those of its own lanes, and it reads no other shards.

    Args:
        dataset: a :class:`ShardDataset`, or a wrapper with its attributes.
        lanes: number of shards that all ranks together read at a time. More of them mix better;
            fewer need less room for copies of remote shards and less time until the first batch.
        **kwargs: of mmengine's DefaultSampler.

    Raises:
        ValueError: no shards, lanes that are no positive number, or copies of remote shards that
            have no room for a rank's lanes.
    """

    def __init__(self, dataset: ShardDataset, lanes: int = 32, **kwargs) -> None:
        super().__init__(dataset, **kwargs)
        if not hasattr(dataset, 'shards') or len(dataset.shards.index) != len(dataset):
            raise ValueError('ShardSampler needs a whole ShardDataset: choose SeededSampler')
        if lanes < 1:
            raise ValueError(f'lanes={lanes} of ShardSampler: expected 1 or more')
        self.sizes = [len(shard) for shard in dataset.shards.index.shards]
        self.lanes = lanes
        at_a_time = -(-min(lanes, len(self.sizes)) // self.world_size)
        self.announces = dataset.shards.capacity > 2 * at_a_time
        if self.shuffle and dataset.shards.capacity <= at_a_time:
            raise ValueError(
                f'cache_gb of ShardDataset has room for {dataset.shards.capacity} shards, of which '
                f'a rank reads {at_a_time} at a time: raise it, or lower lanes of ShardSampler'
            )

    def __iter__(self) -> Iterator[SampleIndex]:
        if not self.shuffle:
            yield from super().__iter__()
            return
        order = shuffled(self.sizes, self.lanes, (self.seed, self.epoch))
        soon = upcoming(order, self.sizes, self.lanes)
        for position in range(self.rank, self.total_size, self.world_size):
            place = position % len(order)
            index = int(order[place])
            yield ShardSampleIndex(
                index,
                entropy=(self.seed, self.epoch, index),
                upcoming=int(soon[place]) if self.announces else -1,
            )


def shuffled(sizes: Sequence[int], lanes: int, entropy: Sequence[int]) -> np.ndarray:
    """Return the indices of all samples in the order in which they are taken, int64 (N,).

    Args:
        sizes: number of samples of each shard.
        lanes: number of lanes.
        entropy: non-negative integers that seed the order.
    """
    draw = np.random.default_rng(entropy)
    starts = np.cumsum([0, *sizes[:-1]])
    sequence = np.concatenate(
        [starts[shard] + draw.permutation(sizes[shard]) for shard in draw.permutation(len(sizes))]
    )
    order = np.empty_like(sequence)
    for lane, samples in enumerate(np.array_split(sequence, lanes)):
        order[lane::lanes] = samples
    return order


def upcoming(order: np.ndarray, sizes: Sequence[int], lanes: int) -> np.ndarray:
    """Return which shard is next in each sample's lane, -1 in the first half of a shard; (N,).

    Args:
        order: of :func:`shuffled`.
        sizes: number of samples of each shard.
        lanes: number of lanes.
    """
    shards = np.searchsorted(np.cumsum(sizes), order, side='right')
    soon = np.full_like(order, -1)
    for lane in range(min(lanes, len(order))):
        visited, announced = shards[lane::lanes], soon[lane::lanes]  # views
        bounds = [0, *(np.flatnonzero(np.diff(visited)) + 1), len(visited)]
        for start, end in zip(bounds, bounds[1:-1]):
            announced[(start + end) // 2 : end] = visited[end]
    return soon
