"""Lists of images and data sets of the hosts as the source of images."""

import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from mmpretrain.registry import DATASETS

from cmae_mm.datasets import PretrainDataset, SkippedImages, UnlabelledDataset
from cmae_mm.datasets.sampling import SampleIndex
from tests.helpers.files import PIPELINE, smooth_picture, write_images


@pytest.fixture
def images(tmp_path):
    """Six images, of which a list names the last four in another order."""
    write_images(tmp_path / 'images', num=6, name='a/{}.jpg')
    return tmp_path / 'images'


def sample(data, index, seed=1):
    inputs = data[SampleIndex(index, entropy=(seed, index))]['inputs']
    return inputs['master'], inputs['target']


def same(first, second):
    return all(a.equal(b) for a, b in zip(first, second))


@pytest.mark.parametrize('line', ['a/{}.jpg', 'a/{}.jpg 7', '\na/{}.jpg  '])
def test_a_list_names_the_images(images, line):
    order = (5, 2, 4, 3)
    (images / 'list.txt').write_text('\n'.join(line.format(number) for number in order) + '\n')
    data = PretrainDataset(str(images), ann_file='list.txt', pipeline=PIPELINE)
    listed = [data.get_data_info(index)['img_path'] for index in range(len(data))]
    assert listed == [f'{images}/a/{number}.jpg' for number in order]
    whole = PretrainDataset(str(images), pipeline=PIPELINE)
    for index, number in enumerate(order):
        entropy = (0, index)
        first, second = (
            d[SampleIndex(i, entropy)]['inputs']['master']
            for d, i in ((data, index), (whole, number))
        )
        assert first.equal(second)


def test_a_list_that_is_missing_or_empty_is_an_error(images):
    with pytest.raises(FileNotFoundError, match='none.txt'):
        PretrainDataset(str(images), ann_file='none.txt', pipeline=PIPELINE)
    (images / 'empty.txt').write_text('\n')
    with pytest.raises(FileNotFoundError, match='empty.txt.*expected a path on each line'):
        PretrainDataset(str(images), ann_file='empty.txt', pipeline=PIPELINE)


def of_host(images):
    source = dict(type='CustomDataset', data_root=str(images))
    return UnlabelledDataset(source, pipeline=PIPELINE)


def test_samples_of_a_host_s_data_set_are_those_of_its_folder(images):
    data, folder = of_host(images), PretrainDataset(str(images), pipeline=PIPELINE)
    assert len(data) == len(folder) == 6 and data.pipeline.transforms[0].deferred
    assert all(same(sample(data, index), sample(folder, index)) for index in range(6))
    assert not same(sample(data, 0), sample(data, 0, seed=2))


def test_its_broken_images_are_replaced_and_listed(images, tmp_path):
    data = of_host(images)
    (images / 'a' / '3.jpg').write_text('no image')
    skipped = SkippedImages(tmp_path / 'skipped.txt', 0)
    data.watch(skipped)
    replaced = sample(data, 3)
    assert same(replaced, sample(data, 3)) and skipped.count() == (2, 2)
    assert f'{images}/a/3.jpg' in (tmp_path / 'skipped.txt').read_text()


@DATASETS.register_module()
class InMemory(BaseDataset):
    """As mmpretrain's CIFAR10 and MNIST: arrays instead of files."""

    def __init__(self, arrays):
        self.arrays = arrays
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return [dict(img=array, gt_label=0) for array in self.arrays]


def test_data_sets_in_memory(images):
    arrays = [smooth_picture(seed) for seed in range(3)]
    arrays.append(smooth_picture(channels=1)[..., 0])
    data = UnlabelledDataset(dict(type='InMemory', arrays=arrays), pipeline=PIPELINE)
    first, second = sample(data, 0), sample(data, 1)
    assert first[0].shape == (20, 20, 3) and not first[0].equal(second[0])
    assert data.pipeline.transforms[0](dict(img=arrays[0], img_path=''))['img'] is not None
    with pytest.raises(ValueError, match='image 3 of InMemory: an image of 1 channels, expected 3'):
        data._load(3)


def test_data_sets_without_images_are_an_error():
    with pytest.raises(ValueError, match='InMemory has no images'):
        UnlabelledDataset(dict(type='InMemory', arrays=[]), pipeline=PIPELINE)


def test_pixels_are_not_changed_on_the_way():
    array = smooth_picture()
    pipeline = [dict(type='LoadImage')]
    data = UnlabelledDataset(dict(type='InMemory', arrays=[array]), pipeline=pipeline)
    assert np.array_equal(data[0]['img'], array)
