import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional as torchvision

from cmae_mm.views import LUMA, ViewParameters, augment_color, crop, make_views

NEUTRAL = (1.0, 1.0, 1.0, 0.0)


def images(num=5, channels=3, size=(12, 10)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num, channels, *size), generator=generator).float()


def color(num=5, jitter=NEUTRAL, order=(0, 1, 2, 3), gray=False, blur=0.0, gray_weights=LUMA):
    one = ViewParameters((0, 0, 8, 8), jitter, order, (gray,), (blur,), gray_weights)
    return one.pack().repeat(num, 1)


def unpacked(*parameters):
    return ViewParameters.unpack(torch.cat(parameters))


def by_torchvision(image, operation, value):
    return getattr(torchvision, f'adjust_{operation}')(image / 255, value) * 255


@pytest.mark.parametrize(
    'op, operation, values',
    [
        (0, 'brightness', [0.6, 1.4]),
        (1, 'contrast', [0.6, 1.4]),
        (2, 'saturation', [0.0, 0.6, 1.4]),
        (3, 'hue', [-0.5, -0.1, 0.03, 0.1, 0.4]),
    ],
)
def test_each_jitter_equals_torchvisions(op, operation, values):
    for value in values:
        jitter = list(NEUTRAL)
        jitter[op] = value
        found = augment_color(images(), unpacked(color(jitter=jitter)))
        expected = torch.stack([by_torchvision(x, operation, value) for x in images()])
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.1)


def test_jitters_are_applied_in_each_images_own_order():
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)]
    jitter = (1.3, 0.7, 1.2, 0.1)
    found = augment_color(images(3), unpacked(*(color(1, jitter, order) for order in orders)))
    names = ('brightness', 'contrast', 'saturation', 'hue')
    for image, order, result in zip(images(3), orders, found):
        for op in order:
            image = by_torchvision(image, names[op], jitter[op])
        torch.testing.assert_close(result, image, rtol=1e-3, atol=0.1)


def test_neutral_parameters_change_nothing():
    assert augment_color(images(), unpacked(color())).equal(images())


def test_each_image_has_its_own_parameters():
    darker = color(1, jitter=(0.5, 1.0, 1.0, 0.0))
    found = augment_color(images(2), unpacked(darker, color(1, gray=True)))
    torch.testing.assert_close(found[0], images(2)[0] * 0.5)
    assert found[1, 0].equal(found[1, 1]) and found[1, 1].equal(found[1, 2])


def test_grey_weighs_the_channels_as_luma_or_as_told():
    gray = augment_color(images(), unpacked(color(gray=True)))
    luma = (images() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(gray, luma.expand(-1, 3, -1, -1), rtol=1e-5, atol=1e-3)
    weights = [(0.1, 0.2, 0.7), (1.0, 0.0, 0.0)]
    parameters = [color(1, gray=True, gray_weights=each) for each in weights]
    found = augment_color(images(2), unpacked(*parameters))
    for image, weight, result in zip(images(2), weights, found):
        expected = sum(w * channel for w, channel in zip(weight, image))
        torch.testing.assert_close(result, expected.expand(3, -1, -1), rtol=1e-5, atol=1e-3)


def test_blur_keeps_flat_images_and_spreads_a_point_as_a_gaussian():
    flat = torch.full((2, 3, 9, 9), 7.0)
    torch.testing.assert_close(augment_color(flat.clone(), unpacked(color(2, blur=1.5))), flat)
    point = torch.zeros(1, 1, 21, 21)
    point[..., 10, 10] = 1.0
    sigma = 1.5
    blurred = augment_color(point, unpacked(color(1, blur=sigma)))[0, 0]
    offset = np.arange(21) - 10
    gaussian = np.exp(-0.5 * (offset / sigma) ** 2)
    expected = torch.from_numpy(np.outer(gaussian, gaussian) / gaussian.sum() ** 2).float()
    torch.testing.assert_close(blurred, expected, rtol=0, atol=2e-3)


def test_blur_is_as_wide_as_each_images_sigma():
    both = augment_color(images(2), unpacked(color(1, blur=0.5), color(1, blur=2.0)))
    alone = augment_color(images(2)[:1], unpacked(color(1, blur=0.5)))
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-3)


def test_crop_equals_slicing():
    batch = images()  # (N, C, H, W)
    offsets = [(0, 0), (1, 2), (4, 3), (0, 3), (4, 0)]
    found = crop(
        batch.permute(0, 2, 3, 1), torch.tensor([(top, left, 8, 7) for top, left in offsets])
    )
    for image, (top, left), result in zip(batch, offsets, found):
        assert result.equal(image[:, top : top + 8, left : left + 7])


def test_views_are_bytes_and_may_have_their_own_master():
    master = images().byte()
    other = (255 - images()).byte()
    inputs = {
        'master': master.permute(0, 2, 3, 1),
        'online': color(),
        'target': color(jitter=(0.9, 1.1, 1.3, 0.05)),
        'target_master': other.permute(0, 2, 3, 1),
    }
    views = make_views(inputs, ['online', 'target'])
    assert views['online'].equal(master[..., :8, :8])
    assert views['target'].dtype == torch.uint8
    assert (views['target'].float() - other[..., :8, :8]).abs().mean() < 80


@pytest.mark.parametrize(
    'change', [dict(jitter=(1.0, 1.0, 1.0, 0.1)), dict(gray=True), dict(blur=1.0)], ids=str
)
def test_one_images_colors_change_alone(change):
    master = images().byte()
    parameters = torch.cat((color(4), color(1, **change)))
    inputs = {'master': master.permute(0, 2, 3, 1), 'target': parameters}
    view, plain = make_views(inputs, ['target'])['target'], master[..., :8, :8]
    assert view[:4].equal(plain[:4]) and not view[4].equal(plain[4])


def test_single_channel_images_take_brightness_contrast_and_blur():
    found = augment_color(
        images(channels=1), unpacked(color(jitter=(1.2, 0.8, 1.0, 0.0), blur=1.0))
    )
    assert found.shape == images(channels=1).shape and found.isfinite().all()


def test_grey_does_not_wrap_around():
    white = dict(master=torch.full((1, 8, 8, 3), 255, dtype=torch.uint8))
    weights = (0.4, 0.4, 0.4)
    views = make_views({**white, 'target': color(1, gray=True, gray_weights=weights)}, ['target'])
    assert (views['target'] == 255).all()


def test_a_device_moves_half_of_the_bytes():
    class Dtypes(TorchDispatchMode):
        found = set()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if getattr(result, 'ndim', 0) == 4 and result.numel() > 100 and result.is_meta:
                self.found.add(result.dtype)
            return result

    masters = torch.empty(4, 20, 20, 3, dtype=torch.uint8, device='meta')
    parameters = color(4, jitter=(0.9, 1.1, 1.3, 0.05), gray=True, blur=1.0)
    with Dtypes() as dtypes:
        views = make_views({'master': masters, 'target': parameters}, ['target'])
    assert dtypes.found == {torch.uint8, torch.float16, torch.bool}
    assert views['target'].dtype == torch.uint8 and views['target'].is_contiguous()
