"""Configs of detection: every value that they train with."""

import re
import textwrap

import pytest
import torch
from mmengine.registry import init_default_scope

from cmae_mm.demo.scenes import THINGS
from tests.helpers.configs import read_config
from tests.helpers.detection import (
    FOLDER,
    FPN,
    FULL_SIZE,
    HYBRID,
    QUICKSTART,
    RGB,
    ROOT,
    VITDET,
    stem,
)
from tests.helpers.docs import config_from_text
from tests.helpers.hosts import require_models

MODELS = require_models('mmdet')
PRETRAINING = ROOT / 'configs' / 'cmae' / 'cmae_rgb_quickstart.py'
WIDTHS = dict(small=384, base=768, large=1024)
GLOBAL_BLOCKS = dict(small=[2, 5, 8, 11], base=[2, 5, 8, 11], large=[5, 11, 17, 23])


@pytest.mark.parametrize('path', [*FULL_SIZE, QUICKSTART, RGB], ids=stem)
def test_config_is_in_the_docs(path):
    assert path.name in (ROOT / 'docs' / 'detection.md').read_text()


def test_all_configs_are_tested():
    assert sorted(FOLDER.glob('*.py')) == sorted([*FULL_SIZE, *HYBRID, QUICKSTART, RGB])


@pytest.mark.parametrize('path', FULL_SIZE, ids=stem)
def test_a_size_is_a_delta(path):
    body = [line for line in path.read_text().splitlines() if line and not line.startswith('#')]
    assert 'base' in path.name or len(body) <= 15


@pytest.mark.parametrize(
    'size, drop_path, decay', [('small', 0.1, 0.7), ('base', 0.1, 0.7), ('large', 0.4, 0.8)]
)
def test_protocol_of_vitdet(size, drop_path, decay):
    """As arXiv 2203.16527 and detectron2's projects/ViTDet/configs/COCO state it."""
    cfg = read_config(VITDET[size])
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    )
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=decay)
    assert cfg.optim_wrapper.dtype == 'float16'
    warm_up, steps = cfg.param_scheduler
    assert (warm_up.type, warm_up.start_factor, warm_up.end) == ('LinearLR', 0.001, 250)
    assert not warm_up.by_epoch
    epochs = cfg.train_cfg.max_epochs * cfg.train_dataloader.dataset.times
    assert (epochs, cfg.train_dataloader.dataset.times) == (100, 1)
    assert steps.gamma == 0.1 and steps.get('by_epoch', True)
    # the closest whole epochs
    assert steps.milestones == [round(100 * 163889 / 184375), round(100 * 177546 / 184375)]
    assert cfg.auto_scale_lr.base_batch_size == 64 == 32 * cfg.train_dataloader.batch_size
    resize, crop = cfg.train_pipeline[3:5]
    assert (resize.type, resize.scale, resize.ratio_range) == (
        'RandomResize',
        (1024, 1024),
        (0.1, 2.0),
    )
    assert (crop.type, crop.crop_size) == ('RandomCrop', (1024, 1024))
    assert cfg.test_pipeline[2] == dict(
        type='Resize', scale=(1024, 1024), keep_ratio=True, _scope_='mmdet'
    )


@pytest.mark.parametrize(
    'size, drop_path, decay', [('small', 0.1, 0.7), ('base', 0.1, 0.7), ('large', 0.2, 0.8)]
)
def test_protocol_of_the_short_schedule(size, drop_path, decay):
    cfg = read_config(FPN[size])
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    )
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=decay)
    assert cfg.train_cfg.max_epochs == 12 and cfg.param_scheduler[1].milestones == [8, 11]
    assert cfg.auto_scale_lr.base_batch_size == 16 == 8 * cfg.train_dataloader.batch_size
    assert cfg.train_pipeline[3].scale == cfg.test_pipeline[2].scale == (1333, 800)


@pytest.mark.parametrize('path', FULL_SIZE, ids=stem)
def test_model_is_what_the_protocol_says(path):
    cfg = read_config(path)
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    size = path.stem.split('-')[1]
    encoder = model.backbone
    blocks = [index for index, window in enumerate(encoder.windows) if window == 0]
    assert blocks == GLOBAL_BLOCKS[size] and set(encoder.windows) == {0, 14}
    assert encoder.rel_pos and encoder.cls_token is None and not encoder.final_norm
    assert encoder.embed_dims == WIDTHS[size] and encoder.patch_resolution == (64, 64)
    assert encoder.out_type == 'featmap'
    depth = len(encoder.layers)
    if path in VITDET.values():
        assert encoder.out_indices == [depth - 1]
        assert len(model.rpn_head.rpn_conv) == 2
        norms = [conv.norm for conv in model.roi_head.bbox_head.shared_convs]
        norms += [conv.norm for conv in model.roi_head.mask_head.convs]
        assert len(norms) == 8 and all(type(norm).__name__ == 'LayerNorm2d' for norm in norms)
        assert all(norm.eps == 1e-6 for norm in norms)
        assert len(model.roi_head.bbox_head.shared_fcs) == 1
    else:
        expected = [7, 11, 15, 23] if size == 'large' else [3, 5, 7, 11]
        assert list(encoder.out_indices) == expected


@pytest.mark.parametrize('path', [*FULL_SIZE, QUICKSTART, RGB], ids=stem)
@pytest.mark.parametrize('part', ['train', 'test'])
def test_masks_are_checked_before_they_are_loaded(path, part):
    pipeline = [step.type for step in read_config(path)[f'{part}_pipeline']]
    assert pipeline.index('mmpretrain.CheckMasks') < pipeline.index('LoadAnnotations')


@pytest.mark.parametrize('path', [QUICKSTART, RGB], ids=stem)
def test_small_configs_know_the_things_of_the_scenes(path):
    cfg = read_config(path)
    heads = cfg.model.roi_head.bbox_head, cfg.model.roi_head.mask_head
    assert all(head.num_classes == len(THINGS) for head in heads)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert tuple(loader.dataset.metainfo.classes) == THINGS


def test_the_detector_in_colour_takes_the_encoder_of_its_pretraining():
    cfg, pretraining = read_config(RGB), read_config(PRETRAINING)
    for field in ('arch', 'patch_size', 'in_channels'):
        assert cfg.model.backbone[field] == pretraining.model.backbone[field]
    for field in ('mean', 'std'):
        assert cfg.model.data_preprocessor[field] == pretraining.data_preprocessor[field]
    assert cfg.model.data_preprocessor.bgr_to_rgb


DETECTION_DOCS = (ROOT / 'docs' / 'detection.md').read_text()
PAPER_PART = re.search(
    r"CMAE's own protocol.*?is a config of\n(.*?)\nThe other one", DETECTION_DOCS, re.DOTALL
)[1]


def test_the_paper_s_schedule_is_a_config_of_three_lines(tmp_path):
    (text,) = re.findall(r'\n((?:    .*\n|\n)+)', PAPER_PART)
    cfg = config_from_text(textwrap.dedent(text), tmp_path)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.end, warm_up.by_epoch) == (250, False)
    assert cosine == dict(type='CosineAnnealingLR', T_max=100, convert_to_iter_based=True)
    assert cfg.train_cfg.max_epochs == 100
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.weight_decay) == (1e-4, 0.1)
