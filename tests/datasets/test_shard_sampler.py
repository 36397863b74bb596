"""The order of samples in shards: a permutation, the same for any number of ranks, by shards."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from cmae_mm.datasets import ShardSampler
from cmae_mm.datasets.shard_index import Shard, ShardIndex
from cmae_mm.datasets.shard_sampler import ShardSampleIndex, shuffled

SIZES = [7, 7, 7, 7, 6, 6, 6]
TOTAL = sum(SIZES)


class Dataset:
    """What a sampler needs to know of one."""

    def __init__(self, sizes=SIZES, capacity=float('inf')):
        shards = [Shard('', 0, np.zeros(size), np.zeros(size)) for size in sizes]
        self.shards = SimpleNamespace(index=ShardIndex(shards), capacity=capacity)

    def __len__(self):
        return len(self.shards.index)


def drawn(rank=0, world=1, epoch=0, seed=0, **options):
    sampler = ShardSampler(Dataset(), seed=seed, **options)
    sampler.rank, sampler.world_size = rank, world
    sampler.num_samples = -(-TOTAL // world)
    sampler.total_size = sampler.num_samples * world
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(found) == len(sampler)
    return found


def shard_of(index):
    return int(np.searchsorted(np.cumsum(SIZES), index, side='right'))


@pytest.mark.parametrize('lanes', [1, 2, 4, 7, TOTAL, 3 * TOTAL])
@pytest.mark.parametrize('world', [1, 2, 3, 4, 8])
def test_all_ranks_together_take_each_sample_once_and_round_up(lanes, world):
    taken = [index for rank in range(world) for index in drawn(rank, world, lanes=lanes)]
    assert set(taken) == set(range(TOTAL))
    assert len(taken) == -(-TOTAL // world) * world  # the host's round_up: equally many for all


@pytest.mark.parametrize('world', [2, 3, 4])
def test_the_order_does_not_depend_on_the_number_of_ranks(world):
    ranks = [drawn(rank, world, lanes=4) for rank in range(world)]
    together = [index for step in zip(*ranks) for index in step]
    assert together[:TOTAL] == drawn(lanes=4)


def test_a_samples_seed_is_that_of_seed_epoch_and_index():
    for index in drawn(rank=1, world=2, seed=5, epoch=3):
        assert index.entropy == (5, 3, int(index))


def test_epochs_and_seeds_differ_and_repeat():
    orders = [tuple(drawn(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(orders)) == 4
    assert tuple(drawn(seed=0, epoch=1)) == orders[1]


def test_lanes_are_slices_of_the_shuffled_shards():
    order = shuffled(SIZES, 3, (0,))
    sequence = np.concatenate([order[lane::3] for lane in range(3)])
    shards = [shard_of(index) for index in sequence]
    visits = [shard for shard, before in zip(shards, [None, *shards]) if shard != before]
    assert sorted(visits) == list(range(len(SIZES)))  # each is read once, whole
    assert visits != sorted(visits) and sequence[:6].tolist() != sorted(sequence[:6])


@pytest.mark.parametrize('world', [2, 4])
def test_ranks_read_shards_of_their_own(world):
    """But for those that two lanes share, fewer than lanes, and for what rounds up."""
    sets = [set(map(shard_of, drawn(rank, world, lanes=4))) for rank in range(world)]
    assert sum(map(len, sets)) <= len(SIZES) + 3 + -TOTAL % world
    assert max(map(len, sets)) < len(SIZES)


def test_a_batch_mixes_as_many_shards_as_there_are_lanes():
    order = drawn(lanes=4)
    assert all(len(set(map(shard_of, order[i : i + 4]))) >= 3 for i in range(0, TOTAL - 4, 4))


def test_the_second_half_of_a_shard_announces_the_next_of_its_lane():
    for lane in range(3):
        samples = drawn(lanes=3)[lane::3]
        shards = list(map(shard_of, samples))
        visits = [shard for shard, before in zip(shards, [None, *shards]) if shard != before]
        following = dict(zip(visits, [*visits[1:], -1]))
        for shard in visits:
            announced = [index.upcoming for index in samples if shard_of(index) == shard]
            half = len(announced) // 2
            assert announced == [-1] * half + [following[shard]] * (len(announced) - half)


def test_nothing_is_announced_where_there_is_no_room_for_two_shards_per_lane():
    for capacity, announces in ((4, False), (5, True)):
        sampler = ShardSampler(Dataset(capacity=capacity), lanes=2, seed=0)
        assert any(index.upcoming >= 0 for index in sampler) == announces


def test_an_index_keeps_what_it_carries_on_its_way_to_a_worker():
    index = pickle.loads(pickle.dumps(ShardSampleIndex(3, (1, 2), 5)))
    assert (index, index.entropy, index.upcoming) == (3, (1, 2), 5)


def test_without_shuffling_the_order_is_that_of_the_index():
    assert drawn(shuffle=False) == list(range(TOTAL))


@pytest.mark.parametrize(
    'dataset, lanes, message',
    [
        (range(9), 4, 'needs a whole ShardDataset'),
        (Dataset(), 0, 'lanes=0 of ShardSampler: expected 1 or more'),
        (Dataset(capacity=3), 3, 'room for 3 shards, of which a rank reads 3 at a time'),
    ],
)
def test_what_does_not_fit_is_an_error(dataset, lanes, message):
    with pytest.raises(ValueError, match=message):
        ShardSampler(dataset, lanes=lanes, seed=0)
