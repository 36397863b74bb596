"""The parts of one's own in docs/architecture.md do what they say."""

import sys

import pytest
import torch
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import nn

from cmae_mm.models import build_model, plain_encoder
from cmae_mm.views import crop
from tests.helpers.docs import config_from_text, python_blocks
from tests.helpers.files import loaded_image
from tests.helpers.tiny import ARCH, DECODER

PARTS, CONFIG = python_blocks('architecture.md')


@pytest.fixture(scope='module', autouse=True)
def own_parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp('own')
    (folder / 'own_parts.py').write_text(PARTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    sys.modules.pop('own_parts')
    for registry, name in (
        *((MODELS, name) for name in ('MarginLoss', 'RowsViT', 'DenoisingAutoencoder')),
        (TRANSFORMS, 'OppositeCorners'),
    ):
        registry.module_dict.pop(name)


def test_a_config_trains_with_an_own_encoder_and_loss(own_parts):
    model = build_model(config_from_text(CONFIG, own_parts))
    model.init_weights()
    losses = model.loss([torch.randn(4, 3, 32, 32) for _ in ('online', 'target')])
    assert 0 <= losses['loss_ct'] <= 1.9
    sum(losses.values()).backward()
    assert model.backbone.layers[0].attn.qkv.weight.grad.any()
    _, mask = model.backbone.encode(torch.randn(2, 3, 32, 32))
    rows = mask.mask.reshape(2, 8, 8)
    assert (rows == rows[:, :, :1]).all() and (rows[:, :, 0].sum(dim=1) == 4).all()
    assert plain_encoder({'type': 'RowsViT', 'arch': ARCH})['type'] == 'VisionTransformer'


def test_own_views_are_opposite_corners():
    image = loaded_image()
    views = TRANSFORMS.build(dict(type='OppositeCorners'))({**image, 'img_shape': (24, 24)})
    master = torch.arange(24 * 24).reshape(1, 24, 24, 1)
    online, target = (
        crop(master, torch.tensor([views[name].box])) for name in ('online', 'target')
    )
    assert online[0, 0, 0, 0] == 0 and target[0, 0, -1, -1] == 24 * 24 - 1
    assert online.shape == target.shape == (1, 1, 21, 21)


def test_an_own_method_reconstructs_the_clean_image():
    model = MODELS.build(
        dict(
            type='DenoisingAutoencoder',
            backbone=dict(type='RowsViT', arch=ARCH, img_size=16, patch_size=4),
            neck=dict(type='CMAEPixelDecoder', decoder_depth=1, **DECODER),
            head=dict(type='ReconstructionHead', norm_pix=False),
        )
    )
    images = torch.zeros(2, 3, 16, 16)
    model.init_weights()
    assert model.loss(images)['loss'] > 0
    nn.init.zeros_(model.neck.decoder_pred.weight)
    nn.init.zeros_(model.neck.decoder_pred.bias)
    assert model.loss(images)['loss'] == 0
