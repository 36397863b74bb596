"""One checkpoint, the same features in every program that takes it."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from timm.models.vision_transformer import VisionTransformer as TimmViT

from cmae_mm.checkpoints import export_encoder, import_encoder, load_state_dict
from tests.helpers.configs import read_config
from tests.helpers.hosts import require_models
from tests.helpers.tiny import ARCH, tiny_model, two_views

ROOT = Path(__file__).parents[2]
IMAGES = two_views()[0]  # of the size of pre-training: no position embedding is resized
GRID = (4, 4)
ENCODER = dict(arch=ARCH, img_size=16, patch_size=4, out_type='featmap')
WIDTH = ARCH['embed_dims']


@pytest.fixture(scope='module')
def pretraining(tmp_path_factory):
    """A CMAE with no weight as it started, in evaluation mode, and its checkpoint."""
    model = tiny_model().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    path = tmp_path_factory.mktemp('checkpoint') / 'epoch_1.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return model, path


def as_map(tokens):
    """Patch tokens without the class token, (N, D, H, W)."""
    return tokens[:, 1:].transpose(1, 2).unflatten(2, GRID)


def pretraining_features(model, final_norm):
    model.backbone.final_norm = final_norm
    return as_map(model.backbone(IMAGES)[-1])


def pretrained(path, final_norm, backbone='mmpretrain.DownstreamViT'):
    init_cfg = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
    return dict(type=backbone, final_norm=final_norm, init_cfg=init_cfg, **ENCODER)


def build(host, cfg):
    """The host's model, initialised as its Runner does it."""
    models = require_models(host)
    with DefaultScope.overwrite_default_scope(host):
        model = models.build(cfg)
        model.init_weights()
    return model.eval()


def classifier(path, final_norm, **kwargs):
    head = dict(type='LinearClsHead', num_classes=3, in_channels=WIDTH)
    model = build(
        'mmpretrain',
        dict(type='ImageClassifier', backbone=pretrained(path, final_norm, **kwargs), head=head),
    )
    return model.extract_feat(IMAGES, stage='backbone')[-1]


def host_s_own_backbone(path, final_norm):
    return classifier(path, final_norm, backbone='VisionTransformer')


def upernet(path, final_norm):
    head = dict(
        type='UPerHead',
        in_channels=[WIDTH] * 4,
        in_index=[0, 1, 2, 3],
        channels=8,
        num_classes=3,
        norm_cfg=dict(type='BN'),
    )
    backbone = pretrained(path, final_norm)
    neck = dict(type='Feature2Pyramid', embed_dim=WIDTH, norm_cfg=dict(type='BN'))
    cfg = dict(type='EncoderDecoder', backbone=backbone, neck=neck, decode_head=head)
    model = build('mmseg', cfg)
    return model.backbone(IMAGES)[-1]


def mask_rcnn(path, final_norm):
    require_models('mmdet')  # the config inherits from it
    cfg = read_config(ROOT / 'configs/benchmarks/detection/quickstart.py').model
    cfg.backbone = pretrained(path, final_norm)
    cfg.neck = dict(type='mmpretrain.SimpleFeaturePyramid', in_channels=WIDTH, out_channels=8)
    return build('mmdet', cfg).backbone(IMAGES)[-1]


def timm(path, final_norm):
    depth, heads = ARCH['num_layers'], ARCH['num_heads']
    mlp_ratio = ARCH['feedforward_channels'] / WIDTH
    model = TimmViT(
        16, 4, embed_dim=WIDTH, depth=depth, num_heads=heads, mlp_ratio=mlp_ratio, num_classes=0
    )
    model.load_state_dict(export_encoder(import_encoder(load_state_dict(path)), 'timm'))
    if not final_norm:
        model.norm = torch.nn.Identity()
    return as_map(model.eval().forward_features(IMAGES))


@pytest.mark.parametrize('final_norm', [True, False])
@pytest.mark.parametrize(
    'program', [classifier, host_s_own_backbone, upernet, mask_rcnn, timm], ids=lambda p: p.__name__
)
@torch.no_grad()
def test_features_are_those_of_pretraining(pretraining, program, final_norm):
    model, path = pretraining
    expected = pretraining_features(model, final_norm)
    found = program(path, final_norm)
    assert expected.shape == (len(IMAGES), WIDTH, *GRID)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
