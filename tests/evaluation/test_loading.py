import numpy as np
import pytest
import torch

from cmae_mm.evaluation.loading import load_image
from tests.helpers.files import write_pixels


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3))
    path = write_pixels(tmp_path / 'a.png', pixels)
    image = load_image(path, (6, 9), 3)
    assert image.dtype == torch.uint8
    assert np.array_equal(image.permute(1, 2, 0), pixels)  # RGB, not BGR


def test_the_central_part_of_the_aspect_is_shown(tmp_path):
    pixels = np.full((20, 40, 3), 255)
    pixels[:, 10:30] = 0  # the central square
    path = write_pixels(tmp_path / 'wide.png', pixels)
    assert load_image(path, (20, 20), 3).max() == 0
    assert load_image(path, (20, 40), 3).max() == 255


def test_the_central_part_of_a_tall_image_is_shown(tmp_path):
    pixels = np.full((40, 20, 3), 255)
    pixels[10:30] = 0  # the central square
    assert load_image(write_pixels(tmp_path / 'tall.png', pixels), (20, 20), 3).max() == 0


def test_shrinking_does_not_alias(tmp_path):
    pixels = np.zeros((64, 64, 3))
    pixels[:, ::4] = 200  # stripes, finer than the small image can show
    small = load_image(write_pixels(tmp_path / 'stripes.png', pixels), (8, 8), 3)
    assert (small.float() - 50).abs().max() < 15


def test_number_of_channels(tmp_path):
    path = write_pixels(tmp_path / 'a.png', np.random.default_rng(1).integers(0, 256, (8, 8, 3)))
    assert load_image(path, (4, 4), 1).shape == (1, 4, 4)
    assert load_image(path, (4, 4), 3).shape == (3, 4, 4)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / 'b.jpg').write_text('no image')
    with pytest.raises(ValueError, match='b.jpg'):
        load_image(tmp_path / 'b.jpg', (4, 4), 3)
