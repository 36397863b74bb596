import numpy as np
import pytest

from cmae_mm.datasets import BlockMask, PretrainDataset
from cmae_mm.datasets.sampling import SampleIndex
from tests.helpers.files import write_images


def masks(transform, num):
    np.random.seed(0)
    return np.stack([transform.transform({})['mask'] for _ in range(num)])


def test_every_row_and_column_is_masked_as_often_as_its_mirror_image():
    drawn = masks(BlockMask(14, num_masking_patches=98), 1500)
    assert drawn.dtype == bool and (drawn.sum(axis=(1, 2)) == 98).all()
    for shares in (drawn.mean(axis=(0, 2)), drawn.mean(axis=(0, 1))):
        assert shares[0] > 0.15
        np.testing.assert_allclose(shares, shares[::-1], atol=0.03)


@pytest.mark.parametrize('grid, number, smallest', [((8, 8), 32, 5), ((3, 11), 20, 16), (2, 3, 16)])
def test_any_grid_loses_exactly_as_many_patches_as_asked_for(grid, number, smallest):
    drawn = masks(BlockMask(grid, num_masking_patches=number, min_num_patches=smallest), 50)
    assert (drawn.sum(axis=(1, 2)) == number).all()
    assert drawn.any(axis=0).all()
    assert len(np.unique(drawn.reshape(50, -1), axis=0)) > (10 if number > 3 else 3)


def test_masks_are_blocks():
    drawn = masks(BlockMask(14, num_masking_patches=98), 50)
    same = (drawn[:, 1:] == drawn[:, :-1]).mean()  # as the patch above
    assert same > 0.75  # single patches drawn at random: 0.5


@pytest.mark.parametrize('number', [0, 196, 197])
def test_a_mask_of_nothing_or_everything_is_refused(number):
    with pytest.raises(ValueError, match='at least one must stay visible'):
        BlockMask(14, num_masking_patches=number)


def test_a_mask_depends_on_seed_epoch_and_index_alone(tmp_path):
    pipeline = [
        dict(type='LoadImage'),
        dict(type='MasterCrop', scale=16),
        dict(type='PixelShift', crop_size=16, max_shift=0),
        dict(type='BlockMask', input_size=8, num_masking_patches=32, min_num_patches=4),
        dict(type='PackViews', views=('online',), where='worker'),
    ]
    dataset = PretrainDataset(str(write_images(tmp_path)), pipeline=pipeline)

    def mask(*entropy):
        return dataset[SampleIndex(0, entropy=entropy)]['inputs']['mask'].numpy()

    first = mask(0, 1, 2)
    mask(5, 5, 5)
    assert (mask(0, 1, 2) == first).all() and first.sum() == 32
    assert (mask(0, 1, 3) != first).any() and (mask(0, 2, 2) != first).any()
