"""Views made in a worker are those that views.py makes, but for rounding."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from cmae_mm import views
from cmae_mm.compat import within
from cmae_mm.views import LUMA, ViewParameters, crop, make_views
from cmae_mm.worker_views import make_view

HALF_ON_CPUS = within(torch.__version__, '>=2.6')


def picture(seed=0, channels=3, size=(60, 70), noise=10):
    """A smooth picture with some noise."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 7, channels)).astype(np.float32)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).reshape(*size, channels)
    return (image + noise * generator.standard_normal(image.shape)).clip(0, 255).astype(np.uint8)


def parameters(jitter=(1.0, 1.0, 1.0, 0.0), order=(0, 1, 2, 3), gray=False, blur=0.0, weights=LUMA):
    return ViewParameters((3, 5, 48, 52), jitter, order, (gray,), (blur,), weights)


def on_device(image, view):
    inputs = dict(master=torch.from_numpy(image), target=view.pack())
    return make_views(default_collate([inputs]), ['target'])['target'][0].permute(1, 2, 0).numpy()


def in_float16(image, view):
    """As on a GPU."""
    parameters = ViewParameters.unpack(view.pack()[None])
    numbers = crop(torch.from_numpy(image)[None], parameters.box).half()
    return views.augment_color(numbers, parameters).round().byte()[0].permute(1, 2, 0).numpy()


def psnr(a, b):
    error = np.square(a.astype(np.float64) - b).mean()
    return 10 * np.log10(255**2 / error) if error else np.inf


def test_a_plain_view_is_the_same():
    view = ViewParameters((3, 5, 48, 52))
    found = make_view(picture(), view)
    assert (found == picture()[3:51, 5:57]).all() and found.flags.c_contiguous
    assert (found == on_device(picture(), view)).all()


@pytest.mark.parametrize(
    'drawn, least',
    [
        (dict(jitter=(0.6, 1.0, 1.0, 0.0)), np.inf),
        (dict(jitter=(1.4, 1.0, 1.0, 0.0)), np.inf),
        (dict(jitter=(1.0, 0.6, 1.0, 0.0)), 60),
        (dict(jitter=(1.0, 1.4, 1.0, 0.0)), 60),
        (dict(jitter=(1.0, 1.0, 0.6, 0.0)), 50),
        (dict(jitter=(1.0, 1.0, 1.4, 0.0)), 50),
        (dict(jitter=(1.0, 1.0, 1.0, 0.1)), 40),
        (dict(jitter=(1.0, 1.0, 1.0, -0.1)), 40),
        (dict(gray=True), 50),
        (dict(gray=True, weights=(0.114, 0.587, 0.299)), 50),
        (dict(blur=0.1), 50),
        (dict(blur=2.0), 50),
        (dict(jitter=(1.2, 0.7, 1.3, 0.07), order=(3, 1, 0, 2), blur=0.8), 40),
        (dict(jitter=(0.8, 1.3, 0.6, -0.05), order=(2, 0, 3, 1), gray=True, blur=1.7), 40),
    ],
)
def test_an_augmented_view_is_the_same_but_for_rounding(drawn, least):
    view = parameters(**drawn)
    for seed in range(5):
        found = make_view(picture(seed), view)
        assert psnr(found, on_device(picture(seed), view)) >= least
        if HALF_ON_CPUS:
            assert psnr(found, in_float16(picture(seed), view)) >= min(least, 50)
    neutral = psnr(make_view(picture(), parameters(**drawn)), picture()[3:51, 5:57])
    assert drawn.get('blur') == 0.1 or neutral < 36  # it does something


def test_order_matters():
    first, second = (
        make_view(picture(), parameters(jitter=(1.4, 0.6, 1.0, 0.0), order=order))
        for order in ((0, 1, 2, 3), (1, 0, 2, 3))
    )
    assert (first != second).any()


def test_one_channel():
    view = parameters(jitter=(1.3, 0.7, 1.0, 0.0), blur=1.0)
    found = make_view(picture(channels=1), view)
    assert found.shape == (48, 52, 1)
    assert psnr(found, on_device(picture(channels=1), view)) > 50


@pytest.mark.parametrize('channels', [2, 4, 6, 12])
@pytest.mark.parametrize('dtype, least', [(np.uint8, 50), (np.float32, 100)])
def test_any_number_of_channels(channels, dtype, least):
    image = picture(channels=channels).astype(dtype)
    view = parameters(jitter=(1.3, 0.7, 1.0, 0.0), order=(1, 0, 2, 3), blur=1.0)
    found = make_view(image, view)
    assert found.shape == (48, 52, channels) and found.dtype == dtype
    assert psnr(found, on_device(image, view)) > least
    # each channel for itself
    alone = make_view(np.ascontiguousarray(image[..., -1:]), view)
    assert psnr(found[..., -1:], alone) > least


def test_sixteen_bits_in_colour_are_those_of_the_device():
    image = picture().astype(np.float32) * 0.9 + 0.3
    drawn = dict(jitter=(1.2, 0.7, 1.3, 0.07), order=(3, 1, 0, 2), gray=True, blur=0.8)
    view = parameters(**drawn)
    before = image.copy()
    found = make_view(image, view)
    assert psnr(found, on_device(image, view)) > 100
    assert (image == before).all()  # other views are made from it
    eight = make_view(image.round().astype(np.uint8), view)
    assert psnr(found, eight) > 40 and (found != found.round()).any()
