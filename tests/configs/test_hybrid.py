"""Configs of the hybrid encoder: every value that sets them apart."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from tests.helpers import classification, detection, segmentation
from tests.helpers.configs import read_config

CONFIGS = Path(__file__).parents[2] / 'configs'
DOCS = Path(__file__).parents[2] / 'docs'
# longer schedules differ in nothing else
PRETRAINING = sorted(CONFIGS.glob('*mae/*_hybrid-*-300e_in1k.py'))
# width and heads of the tokens, widths of the stages
SIZES = {'small': (384, 6, (128, 256)), 'base': (768, 12, (256, 384))}


def size_of(path):
    return 'small' if 'small' in path.stem else 'base'


def named(path):
    return path.stem


def stage_widths(encoder):
    return tuple(len(embed.proj.weight) for embed in encoder.patch_embed.embeds[:-1])


@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_pretraining(path):
    cfg = read_config(path)
    assert cfg.optim_wrapper.dtype == 'bfloat16'
    assert cfg.optim_wrapper.optimizer.lr == 2.4e-3
    assert cfg.auto_scale_lr.base_batch_size == 4096
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    encoder = model.backbone
    width, heads, stages = SIZES[size_of(path)]
    assert (encoder.embed_dims, encoder.num_layers, stage_widths(encoder)) == (width, 11, stages)
    assert encoder.layers[0].attn.num_heads == heads
    assert encoder.patch_resolution == (14, 14) and encoder.cls_token is None
    assert len(encoder.fusion) == 2
    published = path.stem.startswith('cmae-published')
    expected = (0.65, 2, 68) if published else (0.75, 1, 49)
    masking = encoder.masking
    visible = masking.num_keep * masking.block**2
    assert (encoder.mask_ratio, masking.block, visible) == expected
    decoder = model.neck if path.stem.startswith('convmae') else model.pixel_decoder
    assert decoder.decoder_pos_embed.shape == (1, 196, 512)
    assert len(decoder.decoder_blocks) == 8 and decoder.decoder_blocks[0].attn.num_heads == 16
    if path.stem.startswith('convmae'):
        assert cfg.model.head.norm_pix and len(cfg.data_preprocessor.views) == 1
        return
    target = model.target_backbone
    assert target.mask_ratio == 0 and len(target.fusion) == 0
    assert target.final_norm == (not published)
    features = 768 if published else width
    assert model.projector.fc0.weight.shape == (1536, features)
    assert model.target_projector.fc0.weight.shape == (1536, width)


@pytest.mark.parametrize('epochs', [800, 1600])
@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_longer_schedules(path, epochs):
    longer = read_config(path.with_name(path.name.replace('-300e', f'-{epochs}e')))
    assert longer.train_cfg.max_epochs == epochs
    assert longer.model == read_config(path).model
    assert longer.optim_wrapper == read_config(path).optim_wrapper


@pytest.mark.slow
@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_pretraining_takes_a_step_at_full_size(path):
    model = MODELS.build(read_config(path).model)
    model.init_weights()
    images = torch.randn(2, 3, 224, 224)
    losses = model.loss(images if path.stem.startswith('convmae') else [images, images])
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize('recipe', ['cmae', 'convmae'])
def test_tiny_encoder_is_as_large_as_the_plain_one(recipe):
    cfg = read_config(CONFIGS / recipe / f'{recipe}_hybrid-tiny_cifar10.py')
    plain = read_config(CONFIGS / 'cmae/cmae_vit-tiny-p4_cifar10.py')
    with torch.device('meta'):
        encoder, vit = (MODELS.build(c.model).backbone for c in (cfg, plain))
    assert encoder.patch_resolution == vit.patch_resolution == (8, 8)
    assert encoder.embed_dims == vit.embed_dims
    fused = sum(p.numel() for p in encoder.fusion.parameters())
    counts = [sum(p.numel() for p in e.parameters()) for e in (encoder, vit)]
    assert counts[0] - fused == pytest.approx(counts[1], rel=0.1)
    assert cfg.optim_wrapper == plain.optim_wrapper
    assert cfg.param_scheduler == plain.param_scheduler
    assert cfg.train_dataloader.batch_size == plain.train_dataloader.batch_size


def built_backbone(cfg):
    init_default_scope('mmpretrain')
    with torch.device('meta'):
        return MODELS.build(cfg.model.backbone)


@pytest.mark.parametrize(
    'path',
    [*classification.HYBRID, *segmentation.HYBRID, *detection.HYBRID],
    ids=named,
)
def test_downstream(path):
    assert path.name in (DOCS / f'{path.parent.name}.md').read_text()
    if path.parent.name == 'detection':
        pytest.importorskip('mmdet')  # whose configs it inherits
    cfg = read_config(path)
    encoder = built_backbone(cfg)
    width, heads, stages = SIZES[size_of(path)]
    assert (encoder.embed_dims, encoder.num_layers, stage_widths(encoder)) == (width, 11, stages)
    assert encoder.init_cfg == dict(type='Pretrained', checkpoint='', prefix='backbone.')
    assert not encoder.final_norm and encoder.pos_embed.requires_grad != ('linear' in path.stem)
    body = [line for line in path.read_text().splitlines() if line and line[0] != '#']
    assert 'base' in path.stem or len(body) <= 15


@pytest.mark.parametrize('path', classification.HYBRID, ids=named)
def test_classification(path):
    cfg = read_config(path)
    width = SIZES[size_of(path)][0]
    assert cfg.model.head.in_channels == width and cfg.model.backbone.out_type == 'avg_featmap'
    if 'linear' in path.stem:
        assert cfg.model.backbone.frozen_stages == 11 and cfg.model.neck.input_features == width
        assert cfg.optim_wrapper.optimizer.type == 'LARS'
    else:
        assert cfg.optim_wrapper.optimizer.lr == 2e-3 and cfg.model.backbone.drop_path_rate == 0.1
        assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=0.65)


@pytest.mark.parametrize('path', segmentation.HYBRID, ids=named)
def test_segmentation(path):
    cfg = read_config(path)
    width, _, stages = SIZES[size_of(path)]
    model = cfg.model
    assert model.decode_head.in_channels == [*stages, width, width]
    assert model.decode_head.channels == width == model.auxiliary_head.in_channels
    assert model.auxiliary_head.in_index == 2 and model.neck.in_channels == width
    assert model.neck.norm_cfg.type == 'SyncBN'
    assert model.backbone.drop_path_rate == 0.2 and model.backbone.rel_pos
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=0.75)
    assert cfg.optim_wrapper.optimizer.lr == 1e-4 and cfg.train_cfg.max_iters == 160000
    assert model.backbone.stage_maps and model.backbone.img_size == 512


@pytest.mark.parametrize('path', detection.HYBRID, ids=named)
def test_detection(path):
    pytest.importorskip('mmdet')
    cfg = read_config(path)
    encoder = built_backbone(cfg)
    assert [index for index, size in enumerate(encoder.windows) if size == 0] == [1, 4, 7, 10]
    assert set(encoder.windows) == {0, 14} and encoder.rel_pos
    assert encoder.patch_resolution == (64, 64) and not encoder.stage_maps
    assert cfg.model.neck.in_channels == encoder.embed_dims
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=0.8)
    assert cfg.optim_wrapper.optimizer.lr == 1e-4
    assert cfg.auto_scale_lr.base_batch_size == 16 == 8 * cfg.train_dataloader.batch_size
    assert cfg.train_cfg.max_epochs == 25
    assert cfg.param_scheduler[1].milestones == [round(25 * 8 / 9), round(25 * 26 / 27)]
