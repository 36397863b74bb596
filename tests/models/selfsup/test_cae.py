import math

import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

from cmae_mm.models.utils import as_patch_mask
from tests.helpers.tiny import tiny_cae

GRID, PATCHES = (4, 6), 24


def batch(num_images=3, channels=3, num_removed=12):
    """Noise images of 16x24 and masks that differ between them."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(num_images, channels, 16, 24, generator=generator)
    order = torch.rand(num_images, PATCHES, generator=generator).argsort(dim=1)
    return [images, as_patch_mask(order < num_removed)]


class Tokenizer(nn.Module):
    """Gives all patches of all images the same token."""

    def __init__(self, vocab_size=7, grid=GRID):
        super().__init__()
        self.vocab_size, self.grid = vocab_size, grid

    def forward(self, images):
        return torch.full((len(images), *self.grid), 3)


def with_tokens(head=None, **kwargs):
    return tiny_cae(
        head=dict(type='TokenHead', **(head or {})), target_generator=Tokenizer(**kwargs)
    )


def test_what_is_removed_never_reaches_the_visible_tokens():
    model = tiny_cae()
    images, patch_mask = batch()
    removed = model.head.pixel_mask(patch_mask)
    for mask, change in ((patch_mask, removed), (inverse(patch_mask), 1 - removed)):
        tokens = model.backbone.encode_visible(images, mask)
        assert tokens.equal(model.backbone.encode_visible(images + 9 * change, mask))
        assert not tokens.equal(model.backbone.encode_visible(images + 9 * (1 - change), mask))


def inverse(patch_mask):
    return as_patch_mask(patch_mask.mask == 0)


@pytest.mark.parametrize('target_copy', [False, True])
def test_the_target_is_the_encoder_s_view_of_the_removed_patches(target_copy):
    model = tiny_cae(target_copy=target_copy)
    images, patch_mask = batch()
    target = model.encode_removed(images, patch_mask)
    assert target.shape == (3, 12, 24)
    expected = model.backbone.encode_visible(images, inverse(patch_mask))[:, 1:]
    assert target.equal(expected)


def test_the_alignment_is_a_weighted_mean_square_and_moves_the_regressor_alone():
    losses = {}
    for weight in (1.0, 3.0):
        model = tiny_cae(alignment_weight=weight, neck=dict(embed_dims=16))
        images, patch_mask = batch()
        visible = model.backbone.encode_visible(images, patch_mask)[:, 1:]
        latent = model.neck(visible, patch_mask)[1]
        target = model.encode_removed(images, patch_mask)
        losses[weight] = model.loss([images, patch_mask])['loss_align']
        torch.testing.assert_close(losses[weight], weight * ((latent - target) ** 2).mean())
    losses[3.0].backward()
    # through the visible tokens, not through the target
    reference = nn.functional.mse_loss(latent, target.detach())
    (expected,) = torch.autograd.grad(3 * reference, model.backbone.ln1.weight)
    torch.testing.assert_close(model.backbone.ln1.weight.grad, expected)
    assert model.neck.decoders[0].attn.proj.weight.grad is None


def test_the_pixels_of_removed_patches_are_the_targets():
    model = tiny_cae()
    images, patch_mask = batch()
    hidden = model.head.pixel_mask(patch_mask)
    with torch.no_grad():
        model.neck.head.weight.zero_()
        model.neck.head.bias.zero_()
    # a prediction of 0 misses normalised patches by their variance, 1 but for the unbiased count
    expected = 47 / 48
    loss = model.loss([images, patch_mask])['loss_main']
    torch.testing.assert_close(loss.item(), expected, rtol=1e-4, atol=0)
    flat = torch.where(hidden.bool(), 0.0, images)  # removed patches without contrast
    assert model.loss([flat, patch_mask])['loss_main'].item() < 1e-6


def test_the_tokens_of_removed_patches_are_the_targets():
    model = with_tokens()
    images, patch_mask = batch()
    with torch.no_grad():
        model.neck.head.weight.zero_()
        model.neck.head.bias.copy_(torch.arange(7.0))
    loss = model.loss([images, patch_mask, images])['loss_main']
    expected = -torch.arange(7.0).log_softmax(0)[3]
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('target_copy', [False, True])
def test_every_trained_tensor_gets_a_gradient(target_copy):
    model = tiny_cae(target_copy=target_copy, neck=dict(embed_dims=16))
    sum(model.loss(batch()).values()).backward()
    for name, parameter in model.named_parameters():
        fixed = 'pos_embed' in name or name.startswith('target_backbone')
        assert (parameter.grad is None) == fixed, name
        assert parameter.requires_grad != fixed, name


def test_there_is_no_second_encoder_unless_asked_for():
    names = {name.split('.')[0] for name in tiny_cae().state_dict()}
    assert names == {'backbone', 'neck'}
    model = tiny_cae(target_copy=True)
    assert {name.split('.')[0] for name in model.state_dict()} == names | {'target_backbone'}
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(1.0)
    model.update_target(0.25)
    gap = model.backbone.ln1.weight - model.target_backbone.ln1.weight
    torch.testing.assert_close(gap, torch.full((24,), 0.25))
    encoder = {k: v for k, v in model.state_dict().items() if k.startswith('backbone.')}
    fresh = tiny_cae(target_copy=True)
    fresh.load_state_dict(encoder, strict=False)
    assert fresh.target_backbone.ln1.weight.equal(model.backbone.ln1.weight)


@pytest.mark.parametrize('num_removed', [1, 12, 23])
@pytest.mark.parametrize('channels', [1, 4])
def test_any_share_of_patches_and_any_number_of_channels(num_removed, channels):
    model = tiny_cae(backbone=dict(in_channels=channels))
    losses = model.loss(batch(channels=channels, num_removed=num_removed))
    assert model.neck.head.weight.shape == (16 * channels, 24)
    assert all(loss.isfinite() for loss in losses.values())


def test_the_encoder_is_a_vision_transformer_with_scales():
    model = tiny_cae().eval()
    images = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        for layer in model.backbone.layers:
            layer.attn.gamma1.weight.uniform_(-1, 1)
            layer.ffn.gamma2.weight.uniform_(-1, 1)
        vit = MODELS.build({**model.backbone.plain_config(CONFIG), 'out_type': 'raw'})
        vit.eval()
        vit.load_state_dict(model.backbone.state_dict())
        torch.testing.assert_close(vit(images)[-1], model.backbone.encode_visible(images, None))


CONFIG = dict(
    type='CMAEViT',
    arch=dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48),
    img_size=(16, 24),
    patch_size=4,
    layer_scale_init_value=0.1,
)


def test_initial_weights_are_the_released_ones():
    xavier, rescaled = tiny_cae(), tiny_cae(rescale_init=True)
    for model in (xavier, rescaled):
        for tensor in (
            model.backbone.patch_embed.projection.weight,
            model.backbone.cls_token,
            model.neck.mask_token,
        ):
            assert 0.01 < tensor.abs().max() <= 0.02
        assert not model.backbone.patch_embed.projection.bias.any()
    xavier_limit = math.sqrt(6 / (24 + 48))
    assert 0.9 * xavier_limit < xavier.neck.head.weight.abs().max() <= xavier_limit
    assert rescaled.neck.head.weight.abs().max() <= 0.02
    assert rescaled.backbone.layers[0].attn.qkv.weight.abs().max() <= 0.02
    for blocks, attention in (
        (rescaled.backbone.layers, 'attn'),
        (rescaled.neck.regressors, 'cross_attn'),
    ):
        for depth, block in enumerate(blocks, start=1):
            limit = 0.02 / math.sqrt(2 * depth)
            for last in (getattr(block, attention).proj, block.ffn.layers[1]):
                assert 0.9 * limit < last.weight.abs().max() <= limit * 1.0001


def test_drop_path_rises_with_depth_in_all_three_stacks():
    neck = dict(drop_path_rate=0.2, regressor_depth=3, decoder_depth=2)
    model = tiny_cae(neck=neck).neck
    assert [layer.drop_path.drop_prob for layer in model.regressors] == pytest.approx([0, 0.1, 0.2])
    rates = [layer.attn.out_drop.drop_prob for layer in model.decoders]
    assert rates == pytest.approx([0, 0.2])


def test_masks_of_another_grid_are_refused():
    images, _ = batch()
    with pytest.raises(ValueError, match='masks of 9 patches, the encoder has 4x6'):
        tiny_cae().loss([images, as_patch_mask(torch.arange(9).expand(3, -1) < 4)])


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r'\(3, 16, 16\), the encoder expects \(3, 16, 24\)'):
        tiny_cae().loss([torch.zeros(3, 3, 16, 16), batch()[1]])


def test_a_vocabulary_unlike_the_tokenizer_s_is_refused():
    with pytest.raises(ValueError, match='predicts 8 tokens, the tokenizer has 7'):
        with_tokens(head=dict(out_channels=8))


def test_a_tokenizer_of_another_grid_is_refused():
    images, patch_mask = batch()
    with pytest.raises(ValueError, match='gives 2x3 tokens for 4x6 patches'):
        with_tokens(grid=(2, 3)).loss([images, patch_mask, images])


def test_head_and_tokenizer_go_together():
    with pytest.raises(ValueError, match='TokenHead needs a tokenizer'):
        tiny_cae(head=dict(type='TokenHead'))
    with pytest.raises(ValueError, match='ReconstructionHead takes no tokenizer'):
        tiny_cae(target_generator=Tokenizer())
