import random

import pytest
import torch

from cmae_mm.datasets import ColorAugment, IndependentCrop, PixelShift
from cmae_mm.views import LUMA, ViewParameters
from tests.helpers.files import loaded_image

NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0])


def test_pixel_shift_reaches_every_offset_from_zero_to_the_largest():
    shift = PixelShift(crop_size=16, max_shift=2)
    offsets = set()
    for _ in range(200):
        views = shift(loaded_image())
        assert views['online'].box == (0, 0, 16, 16)
        top, left, height, width = views['target'].box
        assert (height, width) == (16, 16)
        offsets.add((top, left))
    assert offsets == {(top, left) for top in range(3) for left in range(3)}


def test_master_image_too_small_is_an_error():
    with pytest.raises(
        ValueError, match='20x20 is too small: crop 16x16 [+] max_shift 5 needs 21x21'
    ):
        PixelShift(crop_size=16, max_shift=5)(loaded_image())


def test_independent_crop_gives_the_target_its_own_master():
    views = IndependentCrop(crop_size=16, crop_ratio_range=(0.2, 0.5))(loaded_image())
    assert views['target_master'].shape == (16, 16, 3)
    assert views['target'].box == views['online'].box == (0, 0, 16, 16)
    assert (views['img'] == loaded_image()['img']).all()


def test_flipped_images_are_cropped():
    flipped = {**loaded_image(), 'img': loaded_image()['img'][:, ::-1]}
    crop = IndependentCrop(crop_size=20, crop_ratio_range=(1.0, 1.0), aspect_ratio_range=(1.0, 1.0))
    views = crop(flipped)
    assert views['target_master'].tolist() == flipped['img'].tolist()


def test_color_augment_draws_within_its_ranges():
    augment, drawn = ColorAugment(blur_sigma=(0.5, 2.0)), []
    random.seed(0)
    for _ in range(600):
        drawn.append(augment(PixelShift(16, 4)(loaded_image()))['target'].pack())
    _, jitter, order, gray, blur, _ = ViewParameters.unpack(torch.stack(drawn))
    for largest, drawn_jitter in zip((0.4, 0.4, 0.4, 0.1), (jitter - NEUTRAL).T):
        assert 0.95 * largest < drawn_jitter.max() <= largest  # both ends are reached
        assert -largest <= drawn_jitter.min() < -0.95 * largest
    blurred = blur > 0
    assert 0.5 <= blur[blurred].min() < 0.55 and 1.95 < blur.max() <= 2.0
    assert order.sort(dim=1).values.equal(torch.arange(4.0).expand(600, 4))
    jittered = (jitter != NEUTRAL).any(dim=1)
    for chosen, probability in ((jittered, 0.8), (gray, 0.2), (blurred, 0.5)):
        assert abs(chosen.float().mean().item() - probability) < 0.1


def test_weights_of_grey_come_with_the_view():
    color = ColorAugment(gray_prob=1, gray_weights=(0.5, 0.25, 0.25))
    view = color(PixelShift(16, 4)(loaded_image()))['target']
    assert view.gray == (True,) and view.gray_weights == (0.5, 0.25, 0.25)
    assert ColorAugment()(PixelShift(16, 4)(loaded_image()))['target'].gray_weights == LUMA


def test_colours_of_images_without_three_channels_are_an_error():
    one_channel = PixelShift(16, 4)(loaded_image(channels=1))
    with pytest.raises(ValueError, match='need RGB, found 1 channels'):
        ColorAugment()(one_channel)
    ColorAugment(saturation=0, hue=0, gray_prob=0)(one_channel)
