"""An order of samples that is random and yet reads few shards at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.registry import DATA_SAMPLERS

from .sampling import SampleIndex, SeededSampler
from .shards import ShardDataset


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
        for position in range(self.rank, self.total_size, self.world_size):
            index = int(order[position % len(order)])
            yield SampleIndex(index, entropy=(self.seed, self.epoch, index))


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
