"""Pre-training configs fit together: data path and model, schedule and length of training."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import HOOKS, TRANSFORMS, init_default_scope
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS

from cmae_mm.datasets import IndependentCrop, PixelShift
from tests.helpers.configs import PRETRAINING, read_config

ROOT = Path(__file__).parents[2]
MODEL_FILES = sorted((ROOT / 'configs' / '_base_' / 'models').glob('*.py'))


def named(path):
    return path.stem


@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_data_path_makes_what_the_model_takes(path):
    cfg = read_config(path)
    init_default_scope(cfg.default_scope)
    for hook in cfg.custom_hooks if 'custom_hooks' in cfg else []:
        HOOKS.build(hook)
    pipeline = [TRANSFORMS.build(step) for step in cfg.train_dataloader.dataset.pipeline]
    crop_size = next(
        step.scale if isinstance(step, IndependentCrop) else step.crop_size
        for step in pipeline
        if isinstance(step, (IndependentCrop, PixelShift))
    )
    size = cfg.model.backbone.get('img_size', 224)
    assert crop_size == to_2tuple(size)
    views = MODELS.build(cfg.data_preprocessor).views
    assert pipeline[-1].views == views
    assert len(views) == (2 if cfg.model.type in ('CMAE', 'MoCoV3') else 1)


@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_schedule_ends_with_training(path):
    cfg = read_config(path)
    warm_up, cosine = cfg.param_scheduler
    assert warm_up.end == cosine.begin and cosine.end == cfg.train_cfg.max_epochs
    assert cosine.T_max == cosine.end - cosine.begin


@pytest.mark.parametrize('path', MODEL_FILES, ids=named)
def test_model_builds(path):
    with torch.device('meta'):
        model = MODELS.build(read_config(path).model)
    grid = model.backbone.patch_resolution
    decoder = model.pixel_decoder if 'cmae' in path.stem else model.neck
    if path.stem.startswith('mocov3'):
        assert model.neck.fc0.in_features == model.backbone.embed_dims
    elif path.stem.startswith('cae'):
        assert decoder.pos_embed.shape[1] == grid[0] * grid[1]
    else:
        assert decoder.num_patches == grid[0] * grid[1]


def test_recipes_name_all_their_differences():
    paper, published = (
        read_config(ROOT / f'configs/_base_/models/{name}_vit-base-p16.py').model
        for name in ('cmae', 'cmae-published')
    )
    assert (paper.backbone.mask_ratio, paper.backbone.mask_block) == (0.75, 1)
    assert (published.backbone.mask_ratio, published.backbone.mask_block) == (0.65, 2)
    assert published.neck.feature.out_channels == 768
    assert published.head.contrastive.loss_weight == pytest.approx(2 * 0.07)
    assert published.target.final_norm is False and paper.target.final_norm is True
