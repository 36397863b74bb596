"""Which samples come next, from any position, and what their random numbers depend on."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence

from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler


class SampleIndex(int):
    """An index that carries its sample's entropy, also to workers.

    Args:
        index: of the sample.
        entropy: non-negative integers that seed the sample's transforms.
    """

    entropy: tuple[int, ...]

    def __new__(cls, index: int, entropy: Sequence[int]):
        self = super().__new__(cls, index)
        self.entropy = tuple(entropy)
        return self

    def __getnewargs__(self):
        return int(self), self.entropy


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """The host's sampler, with indices that carry their sample's entropy.

    A sample then depends on (seed, epoch, index) alone: not on the number of workers or ranks,
    nor on where a run was resumed.
    """

    def __iter__(self) -> Iterator[SampleIndex]:
        for index in super().__iter__():
            yield SampleIndex(index, entropy=(self.seed, self.epoch, index))


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler:
    """The batches of any sampler, from any position, without loading what is skipped.

    Indices without entropy get that of their position, counted over all ranks: (seed, epoch,
    position), which is never the same twice and does not depend on the number of workers.

    Args:
        sampler: of indices.
        batch_size: of one rank.
        drop_last: leave out a last batch that is smaller.
        batches: config of another batch sampler around ``sampler``; None takes torch's.
        seed: of the run, the same on all ranks.
        endless: begin the next epoch by itself, for loops that count iterations.

    Attributes:
        drawn: batches of indices that were drawn and not yet taken, oldest first: loaders draw
            them ahead of training.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        drop_last: bool = False,
        batches: dict | None = None,
        seed: int = 0,
        endless: bool = False,
    ) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.seed = seed
        self.endless = endless
        self.skip = 0
        self.drawn: deque[list[SampleIndex]] = deque()
        if batches is None:
            self.batches = BatchSampler(sampler, batch_size, drop_last)
        else:
            self.batches = DATA_SAMPLERS.build(
                batches, default_args=dict(sampler=sampler, batch_size=batch_size)
            )

    def start_at(self, batch: int) -> None:
        """Let the next iteration, and only that, begin at this batch."""
        self.skip = batch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        skip, self.skip = self.skip, 0
        self.drawn.clear()
        for batch in itertools.islice(self._epochs(), skip, None):
            self.drawn.append(batch)
            yield batch

    def _epochs(self) -> Iterator[list[SampleIndex]]:
        first = getattr(self.sampler, 'epoch', 0)
        for epoch in itertools.count(first) if self.endless else (first,):
            if epoch > first and hasattr(self.sampler, 'set_epoch'):
                self.sampler.set_epoch(epoch)
            position = 0
            for batch in self.batches:
                yield [
                    self._with_entropy(index, epoch, position + offset)
                    for offset, index in enumerate(batch)
                ]
                position += len(batch)
            if not position:
                return  # an empty sampler

    def _with_entropy(self, index: int, epoch: int, position: int) -> SampleIndex:
        if isinstance(index, SampleIndex):
            return index
        rank, world = getattr(self.sampler, 'rank', 0), getattr(self.sampler, 'world_size', 1)
        return SampleIndex(index, entropy=(self.seed, epoch, position * world + rank))
