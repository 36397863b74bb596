"""Whoever builds a model for training or evaluation gets the fastest layers."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from torch import nn

from cmae_mm.cpu import attend, linear
from cmae_mm.cpu.linear import OneDNNLinear
from cmae_mm.evaluation import build_encoder
from tests.helpers.runs import EPOCHS, config

ARCH = dict(embed_dims=12, num_layers=1, num_heads=3, feedforward_channels=24)
BACKBONE = dict(type='VisionTransformer', arch=ARCH, img_size=16, patch_size=8)
CLASSIFIER = dict(type='ImageClassifier', backbone=BACKBONE)


@pytest.fixture(autouse=True)
def slow_mkl(monkeypatch):
    monkeypatch.setattr(linear, '_mkl_is_slow', lambda: torch.backends.mkldnn.is_available())


def assert_fast(encoder):
    attention = encoder.layers[0].attn
    assert attention.scaled_dot_product_attention is attend
    expected = OneDNNLinear if torch.backends.mkldnn.is_available() else nn.Linear
    assert type(attention.qkv) is expected


@pytest.mark.skipif(torch.cuda.is_available(), reason='layers for CPUs')
def test_a_run_s_model(tmp_path):
    cfg = config(tmp_path, 'work_dir', EPOCHS)
    cfg.model = CLASSIFIER
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    assert_fast(RUNNERS.build(cfg).model.backbone)


@pytest.mark.skipif(torch.cuda.is_available(), reason='layers for CPUs')
def test_a_frozen_encoder():
    cfg = Config(dict(model=CLASSIFIER, data_preprocessor=dict(mean=[0.0], std=[1.0])))
    assert_fast(build_encoder(cfg).backbone)
