"""Configs of classification: every value that they train with."""

import re

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from cmae_mm.downstream import DownstreamViT
from tests.helpers.classification import (
    CONFIGS,
    DOCS,
    FOLDER,
    WIDTHS,
    encoder_and_task,
    every_config,
)
from tests.helpers.configs import read_config

# encoder, task: GPUs x batch, learning rate, layer decay, drop path, frozen blocks, epochs, warm-up
TABLE = {
    ('small', 'whole'): (8, 128, 2e-3, 0.65, 0.1, -1, 100, 5),
    ('small', 'pt1600e'): (8, 128, 1e-3, 0.65, 0.1, -1, 100, 5),
    ('small', 'partial'): (8, 128, 2e-3, 0.65, 0.1, 8, 100, 5),
    ('small', 'linear'): (8, 2048, 6.4, None, 0.0, 12, 90, 10),
    ('small', 'attentive'): (8, 1024, 0.4, None, 0.0, 12, 90, 10),
    ('small', '10pct'): (8, 128, 1e-3, 0.65, 0.1, -1, 200, 10),
    ('small', '1pct'): (8, 32, 2.5e-4, 0.65, 0.1, -1, 400, 40),
    ('base', 'whole'): (8, 128, 2e-3, 0.65, 0.1, -1, 100, 5),
    ('base', 'pt1600e'): (8, 128, 1e-3, 0.65, 0.1, -1, 100, 5),
    ('base', 'partial'): (8, 128, 2e-3, 0.65, 0.1, 8, 100, 5),
    ('base', 'linear'): (8, 2048, 6.4, None, 0.0, 12, 90, 10),
    ('base', 'attentive'): (8, 1024, 0.4, None, 0.0, 12, 90, 10),
    ('base', '10pct'): (8, 128, 1e-3, 0.65, 0.1, -1, 200, 10),
    ('base', '1pct'): (8, 32, 2.5e-4, 0.65, 0.1, -1, 400, 40),
    ('base', 'cae'): (32, 128, 8e-3, 0.65, 0.1, -1, 100, 5),
    ('large', 'cae'): (32, 128, 2e-3, 0.75, 0.2, -1, 50, 5),
    ('large', 'whole'): (8, 128, 2e-3, 0.75, 0.2, -1, 100, 5),
    ('large', 'pt1600e'): (8, 128, 1e-3, 0.75, 0.2, -1, 100, 5),
    ('large', 'partial'): (8, 128, 2e-3, 0.75, 0.2, 20, 100, 5),
    ('large', 'linear'): (8, 2048, 6.4, None, 0.0, 24, 90, 10),
    ('large', 'attentive'): (8, 1024, 0.4, None, 0.0, 24, 90, 10),
    ('large', '10pct'): (8, 128, 1e-3, 0.75, 0.2, -1, 200, 10),
    ('large', '1pct'): (8, 32, 2.5e-4, 0.75, 0.2, -1, 400, 40),
}


@every_config
def test_config_is_a_delta_of_a_few_lines(path):
    lines = [line for line in path.read_text().splitlines() if line and line[0] != '#']
    base = re.fullmatch(r"_base_ = '(.*)'", lines[0])[1]
    assert base.startswith('mmpretrain::mae/benchmarks/') or base.removeprefix('./') in {
        config.name for config in CONFIGS
    }
    assert len(lines) <= 15


def test_values_are_those_of_the_table():
    found = {}
    for path in CONFIGS:
        cfg = read_config(path)
        warm_up, cosine = cfg.param_scheduler
        epochs = cfg.train_cfg.max_epochs
        assert (warm_up.end, cosine.end) == (cosine.begin, epochs)
        assert cosine.T_max == epochs - cosine.begin
        batch = cfg.train_dataloader.batch_size
        # --auto-scale-lr leaves the rate as it is on the GPUs that the name says
        gpus, _ = divmod(cfg.auto_scale_lr.base_batch_size, batch)
        assert f'_{gpus}xb{batch}-amp-' in path.stem and f'-{epochs}e' in path.stem
        found[encoder_and_task(path)] = (
            gpus,
            batch,
            cfg.optim_wrapper.optimizer.lr,
            cfg.optim_wrapper.get('paramwise_cfg', {}).get('layer_decay_rate'),
            cfg.model.backbone.get('drop_path_rate', 0.0),
            cfg.model.backbone.get('frozen_stages', -1),
            epochs,
            warm_up.end,
        )
    assert found == TABLE


@every_config
def test_optimiser_and_data_path(path):
    cfg = read_config(path)
    size, task = encoder_and_task(path)
    wrapper = cfg.optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ('PrecisionOptimWrapper', 'float16')
    # without it every epoch draws the same random numbers
    assert cfg.train_dataloader.persistent_workers
    augments = [augment.type for augment in (cfg.model.get('train_cfg') or {}).get('augments', [])]
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    if task in ('linear', 'attentive'):
        assert wrapper.optimizer.type == ('LARS' if task == 'linear' else 'SGD')
        assert wrapper.optimizer.weight_decay == 0 and wrapper.optimizer.momentum == 0.9
        assert not augments and 'RandAugment' not in steps
    else:
        assert wrapper.constructor == 'LayerDecayOptimWrapperConstructor'
        assert wrapper.paramwise_cfg.keys() == {'layer_decay_rate'}
        assert wrapper.optimizer.type == 'AdamW' and wrapper.optimizer.weight_decay == 0.05
        assert augments == ['Mixup', 'CutMix'] and 'RandAugment' in steps


@every_config
def test_model_builds(path):
    cfg = read_config(path)
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    width, depth = WIDTHS[encoder_and_task(path)[0]]
    assert type(model.backbone) is DownstreamViT
    assert (model.backbone.embed_dims, len(model.backbone.layers)) == (width, depth)
    assert model.backbone.init_cfg == dict(type='Pretrained', checkpoint='', prefix='backbone.')
    scores = model(torch.zeros(2, 3, 224, 224, device='meta'))
    assert scores.shape == (2, 1000)


@every_config
def test_documentation_lists_the_config(path):
    assert path.name in DOCS


@pytest.mark.parametrize('size', WIDTHS)
def test_header_tells_the_field_of_every_k(size):
    header = (FOLDER / f'vit-{size}-p16_8xb128-amp-partial-coslr-100e_in1k.py').read_text()
    depth = WIDTHS[size][1]
    fields = {int(k): int(field) for field, k in re.findall(r'(\d+) for k = (\d+)', header)}
    assert fields == {k: depth - k for k in {0, 1, 2, 4, 6, 8, 12, depth}}
