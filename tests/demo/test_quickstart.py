import json
import re
from pathlib import Path

import pytest
import torch

from cmae_mm.demo import pictures
from cmae_mm.demo.quickstart import run_quickstart
from tests.helpers.configs import read_config
from tests.helpers.tiny import ARCH, DECODER

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'cmae' / 'cmae_quickstart.py'


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """The quickstart's config with a tiny model, a few pictures and one epoch."""
    monkeypatch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 4, 'test': 2})
    cfg = read_config(CONFIG)
    decoder = dict(decoder_depth=1, **DECODER)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'run'),
            'model.backbone.arch': ARCH,
            'model.neck.pixel': decoder,
            'model.neck.feature': decoder,
            'train_dataloader.dataset.data_root': str(tmp_path / 'images'),
            'train_dataloader.batch_size': 14,
            'feature_eval': {s: str(tmp_path / 'images' / s) for s in ('train', 'test')},
            'train_cfg.max_epochs': 1,
            'param_scheduler': [],
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.logger.interval': 1,
        }
    )
    return cfg


def test_leaves_what_it_says(cfg, capsys):
    results = run_quickstart(cfg)
    out = Path(cfg.work_dir)
    assert results['before'].keys() == results['after'].keys()
    assert results['after']['test_images'] == 2 * len(pictures.SURFACES)
    written = json.loads((out / 'results.json').read_text())
    assert written['after'] == results['after'] and written['before'] == results['before']
    trained = torch.load(out / 'epoch_1.pth', weights_only=False)['state_dict']
    assert trained['backbone.patch_embed.projection.weight'].shape == (24, 1, 8, 8)
    page = (out / 'report.html').read_text()
    for result in (results['before'], results['after']):
        for key in ('knn', 'linear'):
            assert f'{result[key]:.1f} %' in page
    assert len(re.findall('src="data:image/png;base64,', page)) == 2
    assert all(name in page for name in pictures.SURFACES)
    log = capsys.readouterr().out
    for word in ('[1/5]', '[5/5]', 'loss_rc', 'loss_ct', 'images_per_s', 'eta'):
        assert word in log
    assert 'Initialized by' not in log


def test_a_seed_gives_the_same_features_before_training(cfg):
    from cmae_mm.demo.quickstart import _evaluate

    pictures.ensure_builtin_images(cfg.train_dataloader.dataset.data_root)
    assert _evaluate(cfg, None) == _evaluate(cfg, None)
