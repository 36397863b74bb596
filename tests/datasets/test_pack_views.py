import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate

from cmae_mm.datasets import ColorAugment, IndependentCrop, PackViews, PixelShift
from cmae_mm.datasets.seeding import seeded
from cmae_mm.models import CMAEDataPreprocessor
from tests.helpers.files import loaded_image


@pytest.mark.parametrize('spatial', [PixelShift(16, 4), IndependentCrop(crop_size=20)])
def test_views_made_in_the_worker_are_those_of_the_device(spatial):
    batches = {'device': [], 'worker': []}
    for seed in range(8):
        for where, batch in batches.items():
            with seeded((seed,)):
                batch.append(PackViews(where=where)(ColorAugment()(spatial(loaded_image()))))
    preprocessor = CMAEDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    on_device, in_worker = (
        preprocessor(default_collate(batch))['inputs'] for batch in batches.values()
    )
    assert on_device[0].equal(in_worker[0])
    assert on_device[1].shape == in_worker[1].shape
    # of noise, whose hues are the worst case (tests/test_worker_views.py has pictures)
    assert (on_device[1] - in_worker[1]).abs().mean() < 2


def test_views_of_six_channels_of_floats_are_those_of_the_device():
    colors = ColorAugment(saturation=0, hue=0, gray_prob=0, jitter_prob=1, blur_prob=1)
    batches = {'device': [], 'worker': []}
    for seed in range(4):
        for where, batch in batches.items():
            results = loaded_image(channels=6)
            results['img'] = results['img'].astype(np.float32)
            with seeded((seed,)):
                batch.append(PackViews(where=where)(colors(PixelShift(16, 4)(results))))
    preprocessor = CMAEDataPreprocessor(mean=[0.0] * 6, std=[1.0] * 6)
    on_device, in_worker = (
        preprocessor(default_collate(batch))['inputs'] for batch in batches.values()
    )
    for first, second in zip(on_device, in_worker):
        assert first.shape == (4, 6, 16, 16) and first.dtype == torch.float32
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('channels', [1, 3, 6])
def test_flipped_images_are_packed(channels):
    results = PixelShift(16, 4)(loaded_image(channels=channels))
    flipped = results['img'][:, ::-1]
    on_device, in_worker = (
        PackViews(['online'], where)({**results, 'img': flipped})['inputs']
        for where in ('device', 'worker')
    )
    assert (on_device['master'].numpy() == flipped).all()
    assert in_worker['online'].permute(1, 2, 0).equal(on_device['master'][:16, :16])


def test_views_are_made_where_it_is_cheapest(monkeypatch):
    assert PackViews().where == 'worker' or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert PackViews().where == 'device' and PackViews(where='worker').where == 'worker'


def test_preprocessor_normalises_and_gives_a_single_view_as_a_tensor():
    mean, std = [10.0, 20.0, 30.0], [2.0, 4.0, 8.0]
    packed = default_collate([PackViews(views=['online'])(PixelShift(16, 4)(loaded_image()))])
    found = CMAEDataPreprocessor(mean, std, views=['online'])(packed)['inputs']
    pixels = torch.from_numpy(loaded_image()['img'][:16, :16]).permute(2, 0, 1).float()
    expected = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(found[0], expected)


def test_preprocessor_of_another_number_of_channels_is_an_error():
    packed = default_collate([PackViews()(PixelShift(16, 4)(loaded_image()))])
    with pytest.raises(ValueError, match='images of 3 channels, mean and std of 1'):
        CMAEDataPreprocessor([0.0], [1.0])(packed)
