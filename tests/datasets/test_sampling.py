"""Batches from any position, and the seeds of their samples."""

import itertools

import pytest
from mmengine.dataset import DefaultSampler

from cmae_mm.datasets import ResumableBatchSampler


def sampler(rank=0, world=1, num=12, seed=0, **options):
    indices = DefaultSampler(range(num), shuffle=True, seed=0)
    indices.rank, indices.world_size = rank, world
    indices.num_samples, indices.total_size = num // world, num
    return ResumableBatchSampler(indices, batch_size=2, seed=seed, **options)


def entropies(batches):
    return [index.entropy for batch in batches for index in batch]


def test_no_two_samples_of_a_run_share_a_seed():
    """Of two ranks and two epochs, for datasets whose sampler gives plain indices."""
    drawn = [
        entropy
        for rank in (0, 1)
        for entropy in entropies(itertools.islice(sampler(rank, 2, endless=True), 6))
    ]
    assert len(drawn) == len(set(drawn)) == 2 * 12


def test_a_samples_seed_is_that_of_its_place_whatever_the_ranks():
    of_two = {
        (int(index), index.entropy)
        for rank in (0, 1)
        for batch in sampler(rank, 2)
        for index in batch
    }
    assert of_two == {(int(index), index.entropy) for batch in sampler() for index in batch}
    assert entropies(sampler(seed=1)) != entropies(sampler())


@pytest.mark.parametrize('endless, start', [(False, 4), (True, 4), (True, 15)])
def test_it_starts_at_any_batch_once(endless, start):
    whole = list(itertools.islice(sampler(endless=endless), 18))
    late = sampler(endless=endless)
    late.start_at(start)
    assert list(itertools.islice(late, 18 - start)) == whole[start:]
    assert len(list(itertools.islice(late, 6))) == 6  # from the beginning again


def test_batches_that_were_drawn_are_kept_until_they_are_taken():
    batches = sampler()
    drawn = list(itertools.islice(batches, 3))
    assert list(batches.drawn) == drawn
    next(iter(batches))
    assert len(batches.drawn) == 1
