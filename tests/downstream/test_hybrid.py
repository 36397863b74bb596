"""The hybrid encoder in classifiers, segmentors and detectors."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch.nn import functional as F

from cmae_mm.downstream import AppendCoarserMap, DownstreamHybridViT
from tests.helpers import classification, detection, segmentation
from tests.helpers.configs import read_config
from tests.helpers.hosts import require_models
from tests.helpers.tiny import HYBRID, tiny_model, two_views

ENCODER = {field: HYBRID[field] for field in ('arch', 'img_size', 'strides')}
IMAGES = two_views()[0]
WIDTH = 24


def downstream(**fields):
    torch.manual_seed(0)
    model = DownstreamHybridViT(**{**ENCODER, **fields})
    model.init_weights()
    return model


@pytest.fixture(scope='module')
def pretraining(tmp_path_factory):
    """A CMAE with no weight as it started, in evaluation mode, and its checkpoint."""
    backbone = dict(type='HybridViT', **HYBRID)
    model = tiny_model(backbone=backbone, target=dict(fusion=False)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    path = tmp_path_factory.mktemp('checkpoint') / 'epoch_1.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return model, path


def backbone_of(host, cfg, path, **fields):
    """The backbone of a host's model whose config takes the checkpoint."""
    models = require_models(host)
    cfg.backbone.update(
        init_cfg=dict(type='Pretrained', checkpoint=str(path), prefix='backbone.'),
        drop_path_rate=0.0,
        **ENCODER,
        **fields,
    )
    with DefaultScope.overwrite_default_scope(host):
        model = models.build(cfg)
        model.init_weights()
    return model.eval().backbone


def classifier(path):
    cfg = read_config(classification.HYBRID[0]).model
    cfg.head.in_channels = WIDTH
    return backbone_of('mmpretrain', cfg, path, out_type='featmap')


def upernet(path):
    cfg = read_config(segmentation.HYBRID[0]).model
    cfg.neck.update(in_channels=WIDTH, norm_cfg=dict(type='BN'))
    cfg.decode_head.update(in_channels=[8, 12, WIDTH, WIDTH], channels=8, norm_cfg=dict(type='BN'))
    cfg.auxiliary_head.update(in_channels=WIDTH, channels=8, norm_cfg=dict(type='BN'))
    return backbone_of('mmseg', cfg, path)


def mask_rcnn(path):
    require_models('mmdet')  # the config inherits from it
    cfg = read_config(detection.HYBRID[0]).model
    cfg.neck.update(in_channels=WIDTH)
    return backbone_of('mmdet', cfg, path, global_blocks=(0, 1))


@pytest.mark.parametrize('host', [classifier, upernet, mask_rcnn], ids=lambda host: host.__name__)
@torch.no_grad()
def test_features_are_those_of_pretraining(pretraining, host):
    model, path = pretraining
    encoder = host(path)
    *maps, last = encoder(IMAGES)
    model.backbone.final_norm = False
    tokens = model.backbone(IMAGES)[-1]
    torch.testing.assert_close(last, tokens.transpose(1, 2).unflatten(2, (4, 4)), atol=1e-5, rtol=0)
    _, _, stages = model.backbone.patch_embed.stages(IMAGES)
    assert len(maps) == (2 if host is upernet else 0)
    for found, stage in zip(maps, stages):
        torch.testing.assert_close(found, stage.map, atol=1e-5, rtol=0)
    # relative positions start from zero, and are all that the checkpoint lacks
    assert set(encoder.load_report.new) <= {'rel_pos', 'ln2'}
    assert encoder.load_report.unused == {'fusion': 4, 'ln1': 2}


@torch.no_grad()
def test_the_fourth_map_is_of_a_convolution_without_padding():
    neck = AppendCoarserMap(6, dict(type='BN')).eval()
    inputs = (torch.randn(2, 4, 16, 16), torch.randn(2, 6, 8, 10))
    outputs = neck(inputs)
    assert outputs[0] is inputs[0] and outputs[1] is inputs[1]
    conv, norm = neck.scale.conv, neck.scale.bn
    expected = F.gelu(norm(F.conv2d(inputs[1], conv.weight, stride=2)))
    torch.testing.assert_close(outputs[2], expected)
    assert outputs[2].shape == (2, 6, 3, 4) and conv.bias is None


def test_global_blocks_can_be_named():
    encoder = downstream(
        arch={**HYBRID['arch'], 'num_layers': 5}, window_size=2, global_blocks=(1, 4)
    )
    assert encoder.windows == [2, 0, 2, 2, 0]


def test_frozen_stages_freeze_the_convolutions_with_the_embedding():
    encoder = downstream(
        frozen_stages=2, out_type='avg_featmap', final_norm=False, drop_path_rate=0.5
    )
    encoder.train()
    assert {n for n, p in encoder.named_parameters() if p.requires_grad} == {
        'ln2.weight',
        'ln2.bias',
    }
    assert torch.equal(encoder(IMAGES)[0], encoder(IMAGES)[0])  # no drop path
    partly = downstream(frozen_stages=1)
    trained = {n.split('.')[0] for n, p in partly.named_parameters() if p.requires_grad}
    assert trained == {'layers', 'ln1'}


@torch.no_grad()
def test_images_of_any_size_and_number_of_channels():
    encoder = downstream(in_channels=5, stage_maps=True)
    encoder.eval()
    maps = encoder(torch.randn(1, 5, 20, 30))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 20, 32), (12, 10, 16), (24, 5, 8)]


def test_registered_for_every_host():
    cfg = dict(type='mmpretrain.DownstreamHybridViT', **ENCODER)
    assert type(MODELS.build(cfg)) is DownstreamHybridViT
