import pytest
import torch
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS

from cmae_mm.models import CMAEViT, plain_encoder
from cmae_mm.models.utils import build, sincos_position_embedding
from tests.helpers.tiny import ARCH


def vit(**overrides):
    torch.manual_seed(0)
    encoder = CMAEViT(**{**dict(arch=ARCH, img_size=(16, 24), patch_size=4), **overrides})
    encoder.init_weights()
    encoder.eval()
    return encoder


def test_tensors_are_those_of_the_plain_vision_transformer():
    config = dict(
        type='CMAEViT', arch=ARCH, img_size=16, patch_size=4, mask_ratio=0.5, mask_block=2
    )
    encoder, plain = MODELS.build(config), MODELS.build(plain_encoder(config, out_type='raw'))
    assert type(plain) is VisionTransformer
    plain.load_state_dict(encoder.state_dict(), strict=True)
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(plain(images)[-1], encoder(images)[-1])


def test_encoding_everything_is_the_plain_forward_pass():
    encoder, images = vit(mask_ratio=0.0), torch.randn(2, 3, 16, 24)
    tokens, mask = encoder.encode(images)
    assert mask is None
    torch.testing.assert_close(tokens, encoder(images)[-1])


def test_visible_tokens_do_not_depend_on_removed_patches():
    encoder, images = vit(mask_ratio=0.5), torch.randn(2, 3, 16, 24)
    noise = torch.rand(2, 24)
    tokens, patch_mask = encoder.encode(images, noise)
    removed = patch_mask.mask.view(2, 1, 4, 6)
    removed = removed.repeat_interleave(4, 2).repeat_interleave(4, 3).bool()
    changed = torch.where(removed, torch.randn_like(images), images)
    torch.testing.assert_close(encoder.encode(changed, noise)[0], tokens)
    changed = torch.where(removed, images, torch.randn_like(images))
    assert not torch.allclose(encoder.encode(changed, noise)[0], tokens)


def test_visible_tokens_equal_the_plain_embedding_of_their_places():
    encoder, images = vit(arch={**ARCH, 'num_layers': 1}, mask_ratio=0.5), torch.randn(1, 3, 16, 24)
    encoder.layers, encoder.final_norm = torch.nn.ModuleList(), False
    tokens, patch_mask = encoder.encode(images)
    embedded = encoder.patch_embed(images)[0] + encoder.pos_embed[:, 1:]
    torch.testing.assert_close(tokens[:, 1:], embedded[:, patch_mask.ids_keep[0]])


def test_position_embedding_tells_rows_from_columns_row_by_row():
    embedding = sincos_position_embedding((2, 3), 8)[0]
    assert embedding[0].eq(0).all()
    rows, cols = embedding[1:].view(2, 3, 2, 4).unbind(dim=2)
    assert rows.eq(rows[:, :1]).all() and not rows[0].eq(rows[1]).all()
    assert cols.eq(cols[:1]).all() and not cols[:, 0].eq(cols[:, 1]).all()


def test_pretrained_weights_survive_init_weights(tmp_path):
    source = vit()
    torch.save({f'backbone.{k}': v + 1 for k, v in source.state_dict().items()}, tmp_path / 'a.pth')
    loaded = vit(
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='backbone.')
    )
    torch.testing.assert_close(loaded.pos_embed, source.pos_embed + 1)


@pytest.mark.parametrize(
    'arch, width, depth', [('deit-s', 384, 12), ('b', 768, 12), ('l', 1024, 24), ('h', 1280, 32)]
)
def test_named_sizes(arch, width, depth):
    with torch.device('meta'):
        encoder = CMAEViT(arch, patch_size=14)
    assert (encoder.embed_dims, len(encoder.layers)) == (width, depth)


@pytest.mark.parametrize(
    'field, message',
    [
        (dict(img_size=30, patch_size=4), 'image size 30x30 is not divisible by patch_size=4'),
        (dict(img_size=16, mask_block=3), 'mask_block=3 does not tile'),
        (dict(img_size=16, mask_ratio=0.99), 'at least one must stay visible'),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(field, message):
    with pytest.raises(ValueError, match=message):
        vit(**field)


@pytest.mark.parametrize('shape', [(1, 3, 16, 16), (1, 1, 16, 24)])
def test_images_of_another_form_are_an_error(shape):
    with pytest.raises(ValueError, match='the encoder expects'):
        vit(mask_ratio=0.5).encode(torch.randn(shape))


def test_tokens_are_dropped_out_after_the_position_embedding():
    encoder = vit(mask_ratio=0.5, drop_rate=0.5, arch={**ARCH, 'num_layers': 1})
    encoder.layers, encoder.final_norm = torch.nn.ModuleList(), False
    images, noise = torch.randn(4, 3, 16, 24), torch.rand(4, 24)
    kept = encoder.encode(images, noise)[0]
    encoder.train()
    tokens = encoder.encode(images, noise)[0]
    dropped = tokens == 0
    assert 0.4 < dropped.float().mean() < 0.6
    torch.testing.assert_close(tokens[~dropped], 2 * kept[~dropped])


def test_the_stem_starts_as_the_linear_layer_that_it_is():
    stem = vit(arch={**ARCH, 'embed_dims': 96}, patch_size=8).patch_embed.projection.weight
    bound = (6 / (3 * 8 * 8 + 96)) ** 0.5  # Xavier's, of patch² * channels inputs
    assert 0.97 * bound < stem.abs().max() <= bound
    assert stem.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_mmpretrain_s_small_is_noted(monkeypatch):
    said = []
    monkeypatch.setattr(build, 'print_log', lambda text, *_: said.append(text))
    with torch.device('meta'):
        CMAEViT('deit-s')
        assert not said
        CMAEViT('small')
    assert 'width 768 and 8 blocks; ViT-S' in said[0]
