"""Configs of segmentation: every value that they train with."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS

from cmae_mm.demo.scenes import SCENE_CLASSES
from tests.helpers.configs import read_config
from tests.helpers.segmentation import (
    ADE20K,
    CONFIGS,
    FOLDER,
    PROTOCOL,
    QUICKSTART,
    ROOT,
    TESTED,
    TRAINED,
    named,
)


@pytest.mark.parametrize('path', CONFIGS, ids=named)
def test_config_is_in_the_docs(path):
    assert path.name in (ROOT / 'docs' / 'segmentation.md').read_text()


@pytest.mark.parametrize('path', ADE20K, ids=named)
def test_a_variant_is_a_delta(path):
    lines = [line for line in path.read_text().splitlines() if line and line[0] != '#']
    assert len(lines) <= 15 or path.stem == f'vit-base-p16_{PROTOCOL}'


@pytest.mark.parametrize('path', TRAINED, ids=named)
def test_protocol(path):
    cfg = read_config(path)
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer.type == 'AdamW' and optimizer.lr == 1e-4
    assert optimizer.betas == (0.9, 0.999) and optimizer.weight_decay == 0.05
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=0.65)
    assert cfg.optim_wrapper.dtype == 'float16'
    warm_up, poly = cfg.param_scheduler
    assert (warm_up.type, warm_up.begin, warm_up.end) == ('LinearLR', 0, 1500)
    assert (poly.type, poly.power, poly.begin, poly.end) == ('PolyLR', 1.0, 1500, 160000)
    assert not warm_up.by_epoch and not poly.by_epoch
    assert cfg.train_cfg.max_iters == 160000
    assert cfg.train_dataloader.batch_size == 2 and cfg.auto_scale_lr.base_batch_size == 16
    crop = next(t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'RandomCrop')
    assert crop.crop_size == (512, 512) == cfg.model.data_preprocessor.size
    model = cfg.model
    assert model.backbone.drop_path_rate == 0.1
    assert model.backbone.out_indices == (
        (7, 11, 15, 23) if 'large' in path.stem else (3, 5, 7, 11)
    )
    assert model.neck.rescales == [4, 2, 1, 0.5]
    assert model.decode_head.type == 'UPerHead' and model.auxiliary_head.type == 'FCNHead'
    assert model.test_cfg == dict(mode='slide', crop_size=(512, 512), stride=(341, 341))
    assert model.decode_head.num_classes == model.auxiliary_head.num_classes == 150


@pytest.mark.parametrize('path', CONFIGS, ids=named)
def test_heads_are_as_wide_as_the_encoder_and_norms_can_be_replaced(path):
    cfg = read_config(path)
    model = cfg.model.get('module', cfg.model)
    arch = model.backbone.arch
    settings = VisionTransformer.arch_zoo[arch] if isinstance(arch, str) else arch
    width = settings['embed_dims']
    assert max(model.backbone.out_indices) == settings['num_layers'] - 1
    assert model.neck.embed_dim == width and model.decode_head.in_channels == [width] * 4
    assert model.auxiliary_head is None or model.auxiliary_head.in_channels == width
    # where it is not named, the neck takes the host's SyncBN, which needs a GPU
    assert model.neck.norm_cfg.type == 'SyncBN'


@pytest.mark.parametrize('path', CONFIGS, ids=named)
def test_label_maps_are_checked_as_soon_as_they_are_read(path):
    cfg = read_config(path)
    model = cfg.model.get('module', cfg.model)
    for name in ('train', 'val', 'test'):
        steps = list(cfg[f'{name}_dataloader'].dataset.pipeline)
        if steps[-1].type == 'TestTimeAug':
            steps = [step for steps in steps[-1].transforms for step in steps]
        types = [step.type for step in steps]
        check = steps[types.index('LoadAnnotations') + 1]
        assert check.type == 'mmpretrain.CheckLabelMap'
        assert check.num_classes == model.decode_head.num_classes


@pytest.mark.parametrize('path', TESTED, ids=named)
def test_multi_scale_config_tests_the_trained_model_at_six_scales(path):
    cfg = read_config(path)
    trained = read_config(path.with_stem(path.stem.removesuffix('-ms')))
    assert cfg.model.type == 'SegTTAModel' and cfg.model.module == trained.model
    scales, flips = cfg.test_dataloader.dataset.pipeline[-1].transforms[:2]
    assert [step.scale for step in scales] == [
        *[(1024, 256), (1536, 384), (2048, 512)],
        *[(2560, 640), (3072, 768), (3584, 896)],
    ]
    assert [step.prob for step in flips] == [0.0, 1.0]
    assert cfg.val_dataloader == trained.val_dataloader


def test_relative_positions_are_an_option():
    path = FOLDER / f'vit-base-p16_relpos_{PROTOCOL}.py'
    plain = read_config(FOLDER / f'vit-base-p16_{PROTOCOL}.py')
    plain.merge_from_dict({'model.backbone.rel_pos': True})
    assert read_config(path).model == plain.model
    init_default_scope('mmpretrain')
    with torch.device('meta'):
        encoder = MODELS.build({**plain.model.backbone, 'init_cfg': None})
    tables = [p for name, p in encoder.named_parameters() if 'rel_pos' in name]
    assert len(tables) == 2 * 12 and {tuple(p.shape) for p in tables} == {(2 * 32 - 1, 64)}


def test_classes_of_the_quickstart_are_those_of_the_scenes():
    for name in ('train', 'val', 'test'):
        dataset = read_config(QUICKSTART)[f'{name}_dataloader'].dataset
        assert dataset.metainfo.classes == SCENE_CLASSES
