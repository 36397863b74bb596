import pytest
import torch
from torch.nn import functional as F

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


def test_each_map_is_what_vitdet_makes_of_the_features():
    torch.manual_seed(0)
    pyramid, features = SimpleFeaturePyramid(8, 6), torch.randn(1, 8, 4, 6)
    for parameter in pyramid.parameters():
        torch.nn.init.normal_(parameter)
    parameters = dict(pyramid.named_parameters())

    def double(x, name):
        weight, bias = parameters[f'{name}.weight'], parameters[f'{name}.bias']
        return F.conv_transpose2d(x, weight, bias, stride=2)

    def norm(x, name):  # over channels
        mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        x = (x - mean) / (var + 1e-6).sqrt()
        weight, bias = parameters[f'{name}.weight'], parameters[f'{name}.bias']
        return x * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)

    def gelu(x):
        return x * (1 + torch.erf(x / 2**0.5)) / 2

    def output(x, name):
        x = norm(F.conv2d(x, parameters[f'{name}.0.weight']), f'{name}.1')
        return norm(F.conv2d(x, parameters[f'{name}.2.weight'], padding=1), f'{name}.3')

    largest = double(gelu(norm(double(features, 'scales.0.0'), 'scales.0.1')), 'scales.0.3')
    halved = torch.stack([features[:, :, i::2, j::2] for i in range(2) for j in range(2)]).amax(0)
    scaled = [largest, double(features, 'scales.1'), features, halved]
    expected = [output(x, f'outputs.{index}') for index, x in enumerate(scaled)]
    expected.append(expected[-1][:, :, ::2, ::2])
    for found, wanted in zip(pyramid((features,)), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_nearly_equal_channels_are_stretched_as_in_vitdet():
    norm = SimpleFeaturePyramid(8, 6).outputs[0][1]
    x = torch.tensor([1e-3, -1e-3] * 3).view(1, 6, 1, 1)
    assert norm(x).abs().max().item() == pytest.approx(0.5**0.5, rel=1e-3)  # eps 1e-6
