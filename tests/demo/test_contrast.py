import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import nn

from cmae_mm.demo import pictures
from cmae_mm.demo.contrast import (
    HEALTHY,
    TROUBLES,
    MismatchHook,
    read_curves,
    run_troubles,
    trouble_config,
)
from tests.helpers.configs import read_config
from tests.helpers.tiny import ARCH, DECODER

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'cmae' / 'cmae_quickstart.py'


class Keep(nn.Module):
    """A loss that returns what it is given."""

    def forward(self, online, target):
        return online, target


@pytest.mark.parametrize('share, moved', [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_mismatch_swaps_targets_of_a_share_of_the_images(share, moved):
    head = Mock(contrastive=Keep())
    MismatchHook(share).before_train(Mock(model=Mock(spec=['head'], head=head)))
    vectors = torch.arange(16.0).view(8, 2)
    online, target = head.contrastive(vectors, vectors)
    assert online.equal(vectors)
    assert (target != vectors).any(dim=1).sum() == moved
    assert sorted(target.tolist()) == vectors.tolist()  # each is still some image's


def test_curves_are_read_from_losses_and_diagnoses(tmp_path):
    log = tmp_path / 'scalars.json'
    log.write_text(
        '{"loss": 3.0, "loss_ct": 2.0, "lr": 0.1, "step": 100}\n'
        '{"contrast/alignment": 1.5, "step": 200}\n'
        '{"contrast/alignment": 1.25, "step": 400}\n'
    )
    curves = read_curves(log, batch=5)
    assert {name: curve.tolist() for name, curve in curves.items()} == {
        'loss_ct': [[0.5], [2.0]],
        'alignment': [[1.0, 2.0], [1.5, 1.25]],
    }


def test_configs_of_the_troubles():
    base = read_config(CONFIG)
    healthy, collapse, mismatch, small = (
        trouble_config(base, name) for name in (HEALTHY, *TROUBLES)
    )
    assert healthy.model == base.model
    momentum, diagnosis = healthy.custom_hooks
    assert momentum == dict(type='MomentumUpdateHook', momentum=0.99)
    assert diagnosis == dict(type='ContrastDiagnosisHook', interval=10)
    assert collapse.model.head.contrastive == dict(type='BYOLLoss')
    assert collapse.custom_hooks[0].momentum == 0
    for neck in (collapse.model.neck.projector, collapse.model.head.predictor):
        assert neck.norm_cfg == dict(type='LN', eps=1e-6)
    assert collapse.model.head.predictor.num_layers == 1
    assert mismatch.model == base.model
    assert mismatch.custom_hooks == [*healthy.custom_hooks, dict(type='MismatchHook', share=0.5)]
    assert small.train_dataloader.batch_size == 8
    # a rate in proportion, as --auto-scale-lr would set it
    assert small.optim_wrapper.optimizer.lr == pytest.approx(1e-3 / 8)
    assert base.to_dict() == read_config(CONFIG).to_dict()


def test_a_trouble_is_trained_and_drawn_beside_a_healthy_run(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 6, 'test': 1})
    cfg = read_config(CONFIG)
    decoder = dict(decoder_depth=1, **DECODER)
    root = tmp_path / 'images'
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'run'),
            'model.backbone.arch': ARCH,
            'model.neck.pixel': decoder,
            'model.neck.feature': decoder,
            'train_dataloader': dict(batch_size=8, num_workers=0, persistent_workers=False),
            'train_dataloader.dataset.data_root': str(root),
            'feature_eval': dict(train=str(root / 'train'), test=str(root / 'test'), num_workers=0),
            'train_cfg.max_epochs': 1,
            'param_scheduler': [],
            'default_hooks.checkpoint.interval': 1,
        }
    )
    monkeypatch.setattr('cmae_mm.demo.contrast._DIAGNOSES', 5)
    results = run_troubles(cfg, ['false_positives'])
    out = Path(cfg.work_dir)
    assert list(results) == [HEALTHY, 'false_positives']
    assert json.loads((out / 'results.json').read_text()) == results
    assert (out / 'contrast_false_positives.png').read_bytes().startswith(b'\x89PNG')
    assert all(np.isfinite(value) for result in results.values() for value in result.values())
    # the two differ by the trouble alone
    assert results[HEALTHY]['loss_rc'] == pytest.approx(results['false_positives']['loss_rc'], 0.05)
    assert results[HEALTHY]['alignment'] < results['false_positives']['alignment'] - 0.01
