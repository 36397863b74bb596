import numpy as np
import pytest
import torch
from mmpretrain.models import ResNet
from mmpretrain.registry import MODELS

from cmae_mm.pictures import attention_maps, attention_probabilities, draw_attention
from cmae_mm.pictures.attention import overlay
from cmae_mm.pictures.style import to_array
from tests.helpers.tiny import ARCH, HYBRID, tiny_config

SIZE = (16, 24)  # 4x6 patches
CLASS_TOKEN = dict(tiny_config().backbone, img_size=SIZE)
MAE = dict(type='MAEViT', arch=ARCH, img_size=16, patch_size=4)  # masks what it is shown
WITHOUT = dict(HYBRID, type='HybridViT', img_size=SIZE)


def encoder(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    model.eval()  # which returns nothing
    return model


def noise(num=2, size=SIZE):
    return torch.randn(num, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('config', [CLASS_TOKEN, WITHOUT, MAE], ids=['CMAE', 'hybrid', 'MAE'])
@pytest.mark.parametrize('block', [0, -1])
def test_the_probabilities_give_what_the_block_computes(config, block):
    backbone = encoder(config)
    attention, seen = backbone.layers[block].attn, {}
    attention.qkv.register_forward_hook(lambda m, args, out: seen.update(qkv=out))
    attention.proj.register_forward_pre_hook(lambda m, args: seen.update(attended=args[0]))
    probabilities = attention_probabilities(backbone, noise(size=backbone.img_size), block)
    length = backbone.pos_embed.shape[1]
    assert probabilities.shape == (2, 2, length, length)
    torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(2, 2, length))
    values = seen['qkv'].unflatten(-1, (3, 2, -1))[:, :, 2].transpose(1, 2)  # (N, heads, L, d)
    attended = (probabilities @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attended, seen['attended'], rtol=1e-4, atol=1e-5)


def test_maps_are_rows_of_the_probabilities_in_the_grid():
    backbone = encoder(CLASS_TOKEN)
    probabilities = attention_probabilities(backbone, noise())
    of_class, of_patches = attention_maps(backbone, noise(), [(1, 2), (3, 5)])
    assert of_class.shape == (2, 2, 4, 6) and of_patches.shape == (2, 2, 2, 4, 6)
    assert torch.equal(of_class.flatten(2), probabilities[:, :, 0, 1:])
    assert torch.equal(of_patches[:, 0].flatten(2), probabilities[:, :, 1 + 1 * 6 + 2, 1:])
    assert torch.equal(of_patches[:, 1, 1, 3, 5], probabilities[:, 1, -1, -1])


def test_an_encoder_without_class_token_has_maps_of_patches_alone():
    of_class, of_patches = attention_maps(encoder(WITHOUT), noise(), [(0, 0)])
    assert of_class.shape[1] == 0
    torch.testing.assert_close(of_patches.sum(dim=(-1, -2)), torch.ones(2, 1, 2))


def test_larger_images_have_more_patches():
    backbone = encoder(dict(type='VisionTransformer', arch=ARCH, img_size=16, patch_size=4))
    of_class, _ = attention_maps(backbone, torch.randn(1, 3, 32, 16), [(7, 3)])
    assert of_class.shape == (1, 2, 8, 4)


def test_the_overlay_is_brightest_where_attention_is():
    attention = torch.zeros(4, 6)
    attention[1, 4] = 1e-3  # relative to the maximum
    drawn = overlay(torch.full((3, *SIZE), 100, dtype=torch.uint8), attention)
    assert drawn.shape == (*SIZE, 3) and drawn.dtype == np.uint8
    row, column = divmod(drawn.sum(axis=2).argmax().item(), SIZE[1])
    assert (row // 4, column // 4) == (1, 4)
    assert (drawn[12:, :8] == drawn[-1, 0]).all()


@pytest.mark.parametrize(
    'config, columns', [(CLASS_TOKEN, 1 + 1 + 2 + 2), (WITHOUT, 1 + 2 + 2)], ids=['class', 'none']
)
def test_a_picture_has_a_row_of_maps_for_each_image(config, columns):
    images = torch.randint(0, 256, (3, 3, *SIZE), dtype=torch.uint8)
    figure = draw_attention(encoder(config), images, noise(3), heads=True)
    titles = [axis.get_title() for axis in figure.axes[:columns]]
    assert len(figure.axes) == 3 * columns and titles[-1] == 'head 2'
    assert ('class token' in titles) == (config is CLASS_TOKEN)
    of_class, of_patches = attention_maps(encoder(config), noise(3), [(2, 3), (0, 0)])
    mean = (of_class if config is CLASS_TOKEN else of_patches[:, 0]).mean(dim=1)
    shown = figure.axes[columns + 1].images[0].get_array()  # of the second image
    assert np.array_equal(shown, overlay(images[1], mean[1]))
    assert to_array(figure).shape[2] == 3


def test_what_can_not_be_drawn_is_said():
    backbone = encoder(CLASS_TOKEN)
    with pytest.raises(ValueError, match=r'row, column \(4, 0\): the image has 4 rows'):
        attention_maps(backbone, noise(), [(4, 0)])
    with pytest.raises(ValueError, match='17x16 pixels are not made of patches of 4x4'):
        attention_maps(backbone, torch.zeros(1, 3, 17, 16), [(0, 0)])
    with pytest.raises(ValueError, match='no block 2: the encoder has 2'):
        attention_probabilities(backbone, noise(), block=2)
    with pytest.raises(ValueError, match='and ResNet is none'):
        attention_probabilities(ResNet(18), noise())
