"""The hybrid encoder, against the dense computation with a mask that the paper describes."""

import pytest
import torch
from mmpretrain.registry import MODELS
from torch.nn import functional as F

from cmae_mm.models import HybridViT, plain_encoder
from tests.helpers.tiny import HYBRID

SIZE = (16, 24)  # 4x6 tokens of 4x4 pixels
FIELDS = {**HYBRID, 'img_size': SIZE}


def hybrid(**overrides):
    """An encoder in which no tensor is as it started."""
    torch.manual_seed(0)
    encoder = HybridViT(**{**FIELDS, **overrides})
    encoder.init_weights()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    encoder.eval()
    return encoder


def images(channels=3, size=SIZE):
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(1))


def dense(encoder, images, patch_mask):
    """Visible tokens by maps of all places, multiplied with the mask in every convolution."""
    visible = 1 - patch_mask.mask.unflatten(1, encoder.patch_resolution).unsqueeze(1)
    x, embed, fused = images, encoder.patch_embed, []

    def last(module, x):
        return module(x.movedim(1, -1)).movedim(-1, 1)

    for stage, layer in enumerate(embed.embeds):
        x = F.gelu(last(layer.norm, layer.proj(x)))
        if stage == len(embed.blocks):
            break
        side = x.shape[2] // visible.shape[2]
        mask = visible.repeat_interleave(side, 2).repeat_interleave(side, 3)
        for block in embed.blocks[stage]:
            hidden = mask * last(block.attn.conv1, last(block.ln1, x))
            x = x + last(block.attn.conv2, block.attn.depthwise(hidden))
            x = x + last(block.ffn.layers, last(block.ln2, x))
        fused.append(x)
    x = embed.linear(x.flatten(2).transpose(1, 2)) + encoder.pos_embed

    def chosen(x):
        return torch.stack([row[ids] for row, ids in zip(x, patch_mask.ids_keep)])

    x = chosen(x)
    for layer in encoder.layers:
        x = layer(x)
    for conv, stage in zip(encoder.fusion, fused):
        x = x + chosen(conv(stage).flatten(2).transpose(1, 2))
    return encoder.ln1(x)


@pytest.mark.parametrize('block', [1, 2])
@torch.no_grad()
def test_visible_places_alone_give_what_masked_maps_give(block):
    encoder = hybrid(mask_block=block)
    tokens, patch_mask = encoder.encode(images())
    assert tokens.shape == (2, 12, 24) and patch_mask.mask.sum() == 24
    torch.testing.assert_close(tokens, dense(encoder, images(), patch_mask), atol=1e-5, rtol=0)


@pytest.mark.parametrize('block', [1, 2])
@torch.no_grad()
def test_nothing_of_masked_pixels_reaches_a_visible_token(block):
    encoder = hybrid(mask_block=block)
    noise = encoder.masking.noise(2, 'cpu')
    tokens, patch_mask = encoder.encode(images(), noise)
    hidden = patch_mask.mask.view(2, 1, 4, 6).repeat_interleave(4, 2).repeat_interleave(4, 3)
    changed = torch.where(hidden.bool(), 100.0, images())
    assert encoder.encode(changed, noise)[0].equal(tokens)
    stages, others = (
        encoder.patch_embed.stages(x, patch_mask.ids_keep)[2] for x in (images(), changed)
    )
    assert all(a.features.equal(b.features) for a, b in zip(stages, others))
    assert not encoder(changed)[0].equal(encoder(images())[0])


@pytest.mark.parametrize('channels', [1, 5])
@torch.no_grad()
def test_encoding_everything_is_the_forward_pass(channels):
    encoder = hybrid(in_channels=channels, mask_ratio=0.0, fusion=False)
    tokens, mask = encoder.encode(images(channels))
    assert mask is None
    torch.testing.assert_close(tokens, encoder(images(channels))[-1])


@torch.no_grad()
def test_all_tokens_as_visible_ones_equal_the_map():
    encoder = hybrid()
    everything = torch.arange(24).expand(2, -1)
    tokens, grid, stages = encoder.patch_embed.stages(images(), everything)
    expected, _, maps = encoder.patch_embed.stages(images())
    assert grid == encoder.patch_resolution == (4, 6)
    torch.testing.assert_close(tokens, expected)
    for stage, whole, size in zip(stages, maps, [(16, 24), (8, 12)]):
        assert whole.map.shape[2:] == size
        torch.testing.assert_close(stage.map, whole.map)


def test_gradients_reach_every_trained_tensor():
    encoder = hybrid()
    encoder.encode(images())[0].square().sum().backward()
    assert {name for name, p in encoder.named_parameters() if p.grad is None} == {'pos_embed'}
    for name, parameter in encoder.named_parameters():  # as DistributedDataParallel wants them
        assert parameter.grad is None or parameter.grad.stride() == parameter.stride(), name


@torch.no_grad()
def test_fusion_is_of_pretraining_alone():
    encoder = hybrid()
    plain = plain_encoder(dict(type='HybridViT', **FIELDS), out_type='avg_featmap')
    plain = MODELS.build(plain)
    missing, unexpected = plain.load_state_dict(encoder.state_dict(), strict=False)
    assert set(missing) == {'ln2.weight', 'ln2.bias'}
    assert {name.split('.')[0] for name in unexpected} == {'fusion'}
    expected = F.layer_norm(encoder(images())[0].mean(dim=1), (24,), eps=1e-6)
    torch.testing.assert_close(plain(images())[0], expected)


@torch.no_grad()
def test_other_sizes_are_filled_up():
    encoder = hybrid(out_type='featmap')
    image = images(size=(18, 21))
    padded = F.pad(image, (0, 3, 0, 2))
    assert encoder(image)[0].shape == (2, 24, 5, 6)
    assert encoder(image)[0].equal(encoder(padded)[0])


@torch.no_grad()
def test_linear_layers_of_the_stages_start_as_convolutions():
    encoder = HybridViT('s')
    encoder.init_cfg = [dict(type='Xavier', layer='Linear', distribution='uniform')]
    torch.manual_seed(0)
    encoder.init_weights()
    conv1 = encoder.patch_embed.blocks[0][0].attn.conv1
    assert conv1.weight.abs().max() == pytest.approx(128**-0.5, rel=0.01)
    assert conv1.bias.abs().max() > 0.05
    for module in (encoder.patch_embed.embeds[2].proj, encoder.patch_embed.linear):
        fan_out, fan_in = module.weight.flatten(1).shape
        bound = (6 / (fan_in + fan_out)) ** 0.5
        assert module.weight.abs().max() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize(
    'arch, stages, width, depth, heads, parameters',
    [
        ('s', [128, 256], 384, 11, 6, 21.9),
        ('b', [256, 384], 768, 11, 12, 84.6),
        ('l', [384, 768], 1024, 23, 16, 310.1),
    ],
)
def test_named_sizes(arch, stages, width, depth, heads, parameters):
    with torch.device('meta'):
        encoder = HybridViT(arch, fusion=False)
    assert [embed.norm.normalized_shape[0] for embed in encoder.patch_embed.embeds] == [
        *stages,
        width,
    ]
    assert [len(blocks) for blocks in encoder.patch_embed.blocks] == [2, 2]
    assert (len(encoder.layers), encoder.layers[0].attn.num_heads) == (depth, heads)
    count = sum(p.numel() for p in encoder.parameters()) / 1e6
    assert count == pytest.approx(parameters, abs=0.1)


def test_drop_path_rises_over_all_blocks():
    encoder = hybrid(drop_path_rate=0.4)
    blocks = [block for stage in encoder.patch_embed.blocks for block in stage]
    rates = [block.attn.out_drop.drop_prob for block in blocks]
    rates += [layer.attn.out_drop.drop_prob for layer in encoder.layers]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [block.ffn.dropout_layer.drop_prob for block in blocks] == rates[:3]


def test_layer_depths_are_the_released_ones():
    with torch.device('meta'):
        encoder = HybridViT('b', out_type='avg_featmap')
    for name, depth in {
        'pos_embed': 0,
        'patch_embed.embeds.2.proj.weight': 0,
        'patch_embed.blocks.1.1.ffn.layers.1.bias': 0,
        'patch_embed.linear.weight': 0,
        'layers.0.ln1.weight': 1,
        'layers.10.attn.qkv.weight': 11,
        'ln1.weight': 12,
        'ln2.bias': 12,
    }.items():
        assert name in encoder.state_dict()
        assert encoder.get_layer_depth(f'backbone.{name}', 'backbone.') == (depth, 13)
    assert encoder.get_layer_depth('head.fc.weight', 'backbone.') == (12, 13)


@pytest.mark.parametrize(
    'field, message',
    [
        (dict(img_size=30), r'image size 30x30 is not divisible by 4, the product of strides'),
        (dict(arch='deit-s'), "arch='deit-s': choose from s, b, l"),
        (dict(strides=(2, 2)), r'strides=\(2, 2\) for 2 conv_dims and 2 conv_layers'),
        (dict(mask_block=3), 'mask_block=3 does not tile'),
        (dict(out_type='cls_token'), 'Unsupported `out_type` cls_token'),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(field, message):
    with pytest.raises(ValueError, match=message):
        hybrid(**field)


def test_images_of_another_size_are_an_error_in_pretraining():
    with pytest.raises(ValueError, match='the encoder expects'):
        hybrid().encode(images(size=(24, 16)))
