import random

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from torch.utils.data import DataLoader

from cmae_mm.datasets import PretrainDataset, SeededSampler
from cmae_mm.datasets.sampling import SampleIndex
from cmae_mm.datasets.seeding import seeded
from tests.helpers.files import PIPELINE, write_images


def dataset(root, **overrides):
    return PretrainDataset(str(root), pipeline=PIPELINE, **overrides)


def flatten(sample):
    inputs = sample['inputs']
    return torch.cat([inputs['master'].flatten(), inputs['target']])


def loaded(data, num_workers, rank=0, world=1, epoch=2, method=None):
    sampler = SeededSampler(data, shuffle=True, seed=7)
    sampler.rank, sampler.world_size = rank, world
    sampler.num_samples, sampler.total_size = len(data) // world, len(data)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=sampler,
        num_workers=num_workers,
        multiprocessing_context=method,
    )
    return dict(zip(map(int, sampler), map(flatten, loader)))


@pytest.mark.parametrize('name', ['{}.jpg', 'class_a/{}.png', 'a/b/{}.jpeg'])
def test_finds_images_with_and_without_sub_folders(tmp_path, name):
    data = dataset(write_images(tmp_path, num=3, name=name))
    assert len(data) == 3 and data.pipeline.transforms[0].deferred


def test_a_sample_depends_on_seed_epoch_and_index_alone(tmp_path):
    data = dataset(write_images(tmp_path, num=6))
    reference = loaded(data, num_workers=0)
    for other in (
        loaded(data, num_workers=2, method='fork'),
        loaded(data, num_workers=1, method='forkserver'),
        {**loaded(data, 0, rank=0, world=2), **loaded(data, 1, rank=1, world=2)},
    ):
        assert other.keys() == reference.keys()
        assert all(other[index].equal(reference[index]) for index in reference)
    next_epoch = loaded(data, num_workers=0, epoch=3)
    assert not any(next_epoch[index].equal(reference[index]) for index in reference)


def test_samples_of_an_epoch_differ(tmp_path):
    samples = list(loaded(dataset(write_images(tmp_path, num=6)), 0).values())
    shifts = torch.stack(samples)[:, -17:-15]
    assert len(shifts.unique(dim=0)) > 1


def test_an_unreadable_image_is_replaced_by_another(tmp_path):
    write_images(tmp_path, num=3)
    (tmp_path / 'broken.jpg').write_text('no image')
    data = dataset(tmp_path)
    assert len(data) == 4
    default_collate([data[SampleIndex(index, entropy=(index,))] for index in range(4)])


def test_only_unreadable_images_are_an_error(tmp_path):
    (tmp_path / 'broken.jpg').write_text('no image')
    with pytest.raises(RuntimeError, match='3 images in a row could not be read.*broken.jpg'):
        dataset(tmp_path, max_refetch=3)


def test_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='no image folder .*/none'):
        dataset(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match='no image in .*expected files that end in'):
        dataset(tmp_path)


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_seeding_leaves_the_global_generators_as_they_were():
    def after(middle):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        middle()
        return draw()

    def seeded_draw():
        with seeded((5,)):
            inside.append(draw())

    inside = []
    assert after(seeded_draw) == after(lambda: None) == after(seeded_draw)
    assert inside[0] == inside[1] != after(lambda: None)
