import pytest
import torch
from torch import nn

from cmae_mm.models import CMAEViT
from cmae_mm.models.utils.patch_projection import PatchProjection, as_product, use_patch_projection


@pytest.mark.parametrize('side', [4, (2, 3)])
def test_a_product_of_patches_is_the_convolution(side):
    conv = nn.Conv2d(5, 7, side, side).double()
    images = torch.randn(2, 5, 8, 12, dtype=torch.double, requires_grad=True)
    inputs = [images, *conv.parameters()]
    expected, found = conv(images), as_product(conv, images)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    gradients = (torch.autograd.grad((out * weights).sum(), inputs) for out in (found, expected))
    torch.testing.assert_close(*gradients)


def test_tokens_come_without_a_copy():
    conv = nn.Conv2d(3, 6, 2, 2)
    tokens = as_product(conv, torch.randn(1, 3, 4, 6)).flatten(2).transpose(1, 2)
    assert tokens.is_contiguous() and tokens._is_view()


def test_the_encoder_has_one_and_keeps_its_tensors():
    encoder = CMAEViT(arch='deit-s')
    assert type(encoder.patch_embed.projection) is PatchProjection
    assert 'patch_embed.projection.weight' in encoder.state_dict()


@pytest.mark.parametrize(
    'conv',
    [
        nn.Conv2d(3, 4, 4, 2),
        nn.Conv2d(3, 4, 4, 4, padding=2),
        nn.Conv2d(3, 4, 4, 4, dilation=2),
        nn.Conv2d(4, 4, 4, 4, groups=2),
        nn.LazyConv2d(4, 4, 4),
    ],
)
def test_other_convolutions_stay(conv):
    embed = nn.Module()
    embed.projection = conv
    use_patch_projection(embed)
    assert not isinstance(embed.projection, PatchProjection)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_a_gpu_computes_what_a_cpu_does():
    encoder = CMAEViT(arch='deit-s')
    images = torch.randn(2, 3, 224, 224)
    expected = encoder.patch_embed(images)[0]
    found = encoder.cuda().patch_embed(images.cuda())[0].cpu()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
