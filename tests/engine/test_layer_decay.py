"""Learning rate and decay of every parameter, against tables written out."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import nn

import cmae_mm  # noqa: F401
from cmae_mm.downstream import DownstreamViT, SimpleFeaturePyramid
from cmae_mm.engine.ranks import fit_to_cpu
from tests.helpers.configs import read_config
from tests.helpers.hosts import require_models

CONFIGS = Path(__file__).parents[2] / 'configs' / 'benchmarks'

OPTIM_WRAPPER = dict(
    type='OptimWrapper',
    constructor='mmpretrain.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay_rate=0.5),
)

# of two blocks: name, learning rate, weight decay
ENCODER = """
cls_token 0.0125 0
pos_embed 0.0125 0
patch_embed.projection.weight 0.0125 0.05
patch_embed.projection.bias 0.0125 0
layers.0.ln1.weight 0.025 0
layers.0.ln1.bias 0.025 0
layers.0.attn.qkv.weight 0.025 0.05
layers.0.attn.qkv.bias 0.025 0
layers.0.attn.proj.weight 0.025 0.05
layers.0.attn.proj.bias 0.025 0
layers.0.attn.rel_pos_h 0.025 0
layers.0.attn.rel_pos_w 0.025 0
layers.0.ln2.weight 0.025 0
layers.0.ln2.bias 0.025 0
layers.0.ffn.layers.0.0.weight 0.025 0.05
layers.0.ffn.layers.0.0.bias 0.025 0
layers.0.ffn.layers.1.weight 0.025 0.05
layers.0.ffn.layers.1.bias 0.025 0
layers.1.ln1.weight 0.05 0
layers.1.ln1.bias 0.05 0
layers.1.attn.qkv.weight 0.05 0.05
layers.1.attn.qkv.bias 0.05 0
layers.1.attn.proj.weight 0.05 0.05
layers.1.attn.proj.bias 0.05 0
layers.1.attn.rel_pos_h 0.05 0
layers.1.attn.rel_pos_w 0.05 0
layers.1.ln2.weight 0.05 0
layers.1.ln2.bias 0.05 0
layers.1.ffn.layers.0.0.weight 0.05 0.05
layers.1.ffn.layers.0.0.bias 0.05 0
layers.1.ffn.layers.1.weight 0.05 0.05
layers.1.ffn.layers.1.bias 0.05 0
ln1.weight 0.1 0
ln1.bias 0.1 0
"""
CLASSIFIER = """
head.fc.weight 0.1 0.05
head.fc.bias 0.1 0
"""
PYRAMID = """
neck.scales.1.weight 0.1 0.05
neck.scales.1.bias 0.1 0
neck.outputs.0.0.weight 0.1 0.05
neck.outputs.0.1.weight 0.1 0
"""

ARCH = dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)


def encoder(**kwargs):
    fields = dict(arch=ARCH, img_size=8, patch_size=4, rel_pos=True) | kwargs
    return DownstreamViT(**fields)


class Detector(BaseModel):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.neck = SimpleFeaturePyramid(8, 4)

    def forward(self):
        raise NotImplementedError


def settings(model, optim_wrapper=OPTIM_WRAPPER):
    groups = build_optim_wrapper(model, optim_wrapper).optimizer.param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter]: (pytest.approx(group['lr']), pytest.approx(group['weight_decay']))
        for group in groups
        for parameter in group['params']
    }
    assert sum(len(group['params']) for group in groups) == len(found)
    return found, groups


def table(text, prefix=''):
    rows = [line.split() for line in text.split('\n') if line]
    return {prefix + name: (float(lr), float(decay)) for name, lr, decay in rows}


def test_classifier():
    head = dict(type='LinearClsHead', num_classes=3, in_channels=8)
    model = MODELS.build(
        dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18), head=head)
    )
    model.backbone = encoder()
    found, groups = settings(model)
    assert found == table(ENCODER, 'backbone.') | table(CLASSIFIER)
    # embedding, two blocks and the rest, each with and without decay
    assert len(groups) == 8


def test_any_model_around_a_backbone():
    found, _ = settings(Detector(encoder()))
    expected = table(ENCODER, 'backbone.') | table(PYRAMID)
    assert {name: found[name] for name in expected} == expected
    assert all(name in expected or setting[0] == 0.1 for name, setting in found.items())


@pytest.mark.parametrize('task, host', [('segmentation', 'mmseg'), ('detection', 'mmdet')])
def test_hosts_models(task, host):
    models = require_models(host)
    cfg = read_config(CONFIGS / task / 'quickstart.py').model
    cfg.backbone = dict(
        type='mmpretrain.DownstreamViT', arch=ARCH, img_size=8, patch_size=4, rel_pos=True
    )
    fit_to_cpu(Config(dict(model=cfg)))
    with DefaultScope.overwrite_default_scope(host):
        model = models.build(cfg)
    found, _ = settings(model)
    expected = table(ENCODER, 'backbone.')
    assert {name: found.pop(name) for name in expected} == expected
    others = dict(model.named_parameters())
    assert found
    for name, setting in found.items():
        assert setting == (0.1, 0.05 if others[name].ndim > 1 else 0)


def test_frozen_blocks_have_no_optimiser_state():
    found, _ = settings(Detector(encoder(frozen_stages=1, rel_pos=False)))
    assert 'backbone.layers.1.ln1.bias' in found
    assert not any(
        part in name for name in found for part in ('backbone.layers.0.', 'embed', 'token')
    )


def test_learning_rates_follow_the_schedule_in_proportion():
    wrapper = build_optim_wrapper(Detector(encoder()), OPTIM_WRAPPER)
    before = [group['lr'] for group in wrapper.optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.StepLR(wrapper.optimizer, 1, gamma=0.1)
    wrapper.optimizer.step()
    scheduler.step()
    after = [group['lr'] for group in wrapper.optimizer.param_groups]
    assert after == pytest.approx([0.1 * lr for lr in before])


def test_a_model_without_depths():
    model = Detector(nn.Linear(2, 2))
    with pytest.raises(ValueError, match='needs a backbone with get_layer_depth.*has Linear'):
        settings(model)
