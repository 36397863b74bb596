import numpy as np
import torch

from cmae_mm.pictures.style import to_rgb


def test_images_of_any_channels_and_bits_are_shown_as_bytes():
    colour = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    assert np.array_equal(to_rgb(colour), colour.permute(1, 2, 0))
    of_16_bits = torch.full((6, 2, 2), 200.25)
    of_16_bits[1:] = 0
    shown = to_rgb(of_16_bits)
    assert shown.dtype == np.uint8 and shown.shape == (2, 2, 3) and (shown == 200).all()
