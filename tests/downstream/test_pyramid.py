import torch

from cmae_mm.downstream import SimpleFeaturePyramid


def test_five_maps_each_half_as_large_as_the_one_before():
    pyramid = SimpleFeaturePyramid(8, 6)
    maps = pyramid((torch.randn(2, 8, 4, 6),))
    sizes = [tuple(m.shape[1:]) for m in maps]
    assert sizes == [(6, 16, 24), (6, 8, 12), (6, 4, 6), (6, 2, 3), (6, 1, 2)]
    sum(m.sum() for m in maps).backward()
    assert all(p.grad is not None for p in pyramid.parameters())


def test_every_place_is_normalised_over_channels():
    pyramid = SimpleFeaturePyramid(8, 6)
    for features in pyramid((torch.randn(1, 8, 4, 4),)):
        torch.testing.assert_close(
            features.mean(1), torch.zeros_like(features[:, 0]), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(
            features.var(1, unbiased=False), torch.ones_like(features[:, 0]), atol=1e-2, rtol=0
        )
