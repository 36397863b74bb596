import pytest
import torch
from mmpretrain.models import MAEPretrainDecoder

from cmae_mm.models import CMAEFeatureDecoder, CMAEPixelDecoder
from cmae_mm.models.utils.masking import PatchMasking
from tests.helpers.tiny import DECODER

GRID = (2, 3)


def decoder(cls, **overrides):
    torch.manual_seed(0)
    module = cls(GRID, embed_dim=24, patch_size=4, **{**DECODER, **overrides})
    module.init_weights()
    return module


def tokens_and_order():
    torch.manual_seed(1)
    masking = PatchMasking(GRID, 0.5)
    return torch.randn(2, 4, 24), masking(torch.rand(2, 6)).ids_restore


def test_feature_decoder_is_the_mean_of_the_hosts_decoder():
    # the host's decoder of the same weights, then the mean over patches
    feature = decoder(CMAEFeatureDecoder, out_channels=48, decoder_depth=2)
    pixel = decoder(CMAEPixelDecoder, decoder_depth=2)
    pixel.load_state_dict(feature.state_dict())
    tokens, ids_restore = tokens_and_order()
    expected = pixel(tokens, ids_restore).mean(dim=1)
    torch.testing.assert_close(feature(tokens, ids_restore), expected)


def test_without_a_class_token_patches_alone_are_decoded():
    tokens, ids_restore = tokens_and_order()
    pixel = decoder(CMAEPixelDecoder, decoder_depth=2, num_extra_tokens=0)
    assert pixel.decoder_pos_embed.shape == (1, 6, 16) and not pixel.decoder_pos_embed.requires_grad
    everything = pixel(tokens[:, 1:], ids_restore)
    x = pixel.decoder_embed(tokens[:, 1:])
    x = torch.cat((x, pixel.mask_token.expand(2, 3, -1)), dim=1)
    x = torch.stack([row[order] for row, order in zip(x, ids_restore)]) + pixel.decoder_pos_embed
    for block in pixel.decoder_blocks:
        x = block(x)
    torch.testing.assert_close(everything, pixel.decoder_pred(pixel.decoder_norm(x)))
    some = pixel(tokens[:, 1:], ids_restore, torch.tensor([[4, 1], [0, 5]]))
    torch.testing.assert_close(some, torch.stack([everything[0, [4, 1]], everything[1, [0, 5]]]))


@pytest.mark.parametrize('channels', [1, 3, 5])
def test_pixel_decoder_gives_all_pixels_of_all_patches(channels):
    tokens, ids_restore = tokens_and_order()
    pixel = decoder(CMAEPixelDecoder, decoder_depth=1, in_chans=channels)
    assert pixel(tokens, ids_restore).shape == (2, 6, 4 * 4 * channels)


def test_predicting_some_patches_gives_those_of_all():
    tokens, ids_restore = tokens_and_order()
    pixel = decoder(CMAEPixelDecoder, decoder_depth=2)
    everything = pixel(tokens, ids_restore)
    some = pixel(tokens, ids_restore, torch.tensor([[4, 1], [0, 5]]))
    expected = torch.stack([everything[0, [4, 1]], everything[1, [0, 5]]])
    torch.testing.assert_close(some, expected)


def test_pixel_decoder_equals_the_hosts():
    tokens, ids_restore = tokens_and_order()
    pixel = decoder(CMAEPixelDecoder, decoder_depth=2)
    host = MAEPretrainDecoder(num_patches=6, embed_dim=24, patch_size=4, decoder_depth=2, **DECODER)
    host.load_state_dict(pixel.state_dict())
    torch.testing.assert_close(pixel(tokens, ids_restore), host(tokens, ids_restore))


def test_feature_decoder_is_as_wide_as_the_encoder_by_default():
    tokens, ids_restore = tokens_and_order()
    assert decoder(CMAEFeatureDecoder)(tokens, ids_restore).shape == (2, 24)
    assert decoder(CMAEFeatureDecoder, out_channels=7)(tokens, ids_restore).shape == (2, 7)


def test_shared_weights_are_the_pixel_decoders():
    pixel = decoder(CMAEPixelDecoder, decoder_depth=2)
    feature = decoder(CMAEFeatureDecoder, decoder_depth=1, share_weights=True)
    feature.tie(pixel)
    tokens, ids_restore = tokens_and_order()
    feature(tokens, ids_restore).sum().backward()
    assert pixel.decoder_blocks[0].attn.qkv.weight.grad is not None
    assert pixel.decoder_blocks[1].attn.qkv.weight.grad is None
    assert pixel.mask_token.grad is not None and pixel.decoder_pred.weight.grad is None
    own = set(feature.parameters()) - set(pixel.parameters())
    assert own == set(feature.decoder_pred.parameters())


@pytest.mark.parametrize(
    'other', [dict(decoder_depth=1), dict(decoder_embed_dim=32, decoder_depth=4)]
)
def test_weights_that_can_not_be_shared_are_an_error(other):
    feature = decoder(CMAEFeatureDecoder, decoder_depth=2, share_weights=True)
    with pytest.raises(ValueError, match='share_weights: the feature decoder'):
        feature.tie(decoder(CMAEPixelDecoder, **other))
