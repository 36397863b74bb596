"""Every config parses, builds and is in the table of recipes."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.registry import MODELS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    path for folder in ('cmae', 'mae') for path in (ROOT / 'configs' / folder).glob('*.py')
)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_has_a_header_and_is_a_small_delta(path):
    lines = path.read_text().splitlines()
    header = [line for line in lines if line.startswith('#')]
    assert any('Command: ' in line for line in header)
    assert any('Hardware: ' in line for line in header)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_parses_and_its_parts_are_registered(path):
    from mmengine.registry import DATASETS, TRANSFORMS, init_default_scope

    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    for transform in cfg.train_dataloader.dataset.pipeline:
        assert TRANSFORMS.build(transform) is not None
    assert DATASETS.get(cfg.train_dataloader.dataset.type) is not None


