import base64
import copy
import json
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from cmae_mm.checkpoints import load_state_dict, summarise_run
from cmae_mm.demo import pictures, quickstart
from cmae_mm.demo.quickstart import _was_interrupted, run_quickstart
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
    names = ('reconstructions', 'attention', 'neighbours', 'embedding', 'losses')
    for name in names:
        data = base64.b64encode((out / f'{name}.png').read_bytes()).decode()
        assert f'src="data:image/png;base64,{data}"' in page
    assert page.count('<img') == len(names)
    assert all(name in page for name in pictures.SURFACES)
    log = capsys.readouterr().out
    for word in ('[1/5]', '[5/5]', 'loss_rc', 'loss_ct', 'images_per_s', 'eta'):
        assert word in log
    assert 'Initialized by' not in log


@HOOKS.register_module()
class InterruptHook(Hook):
    """Ctrl-C in the middle of an iteration."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def seed_of(folder):
    return summarise_run(Path(folder) / 'epoch_2.pth').meta['seed']


def test_an_interrupted_quickstart_goes_on_where_it_was_and_no_other(cfg, monkeypatch):
    monkeypatch.setattr(quickstart, 'draw_pictures', lambda *args: {})  # seconds each time
    cfg.train_cfg.max_epochs = 2  # of four steps
    whole = run_quickstart(copy.deepcopy(cfg))
    folder, cfg.work_dir = cfg.work_dir, cfg.work_dir + '-interrupted'
    interrupted = copy.deepcopy(cfg)
    interrupted.custom_hooks = [*cfg.custom_hooks, dict(type='InterruptHook', at=1)]
    with pytest.raises(SystemExit) as ended:
        run_quickstart(interrupted)
    assert ended.value.code == 75
    results = run_quickstart(copy.deepcopy(cfg))
    whole, results = (
        {when: accuracies(run[when]) for when in ('before', 'after')} for run in (whole, results)
    )
    assert results['after'] == whole['after'] != whole['before']
    tensors = [load_state_dict(Path(path) / 'epoch_2.pth') for path in (folder, cfg.work_dir)]
    assert all(tensors[0][name].equal(tensors[1][name]) for name in tensors[0])

    # complete, or of another seed: nothing to go on with
    cfg.randomness.seed = 1
    assert not _was_interrupted(Path(folder), seed=0)
    (Path(folder) / 'results.json').unlink()
    assert _was_interrupted(Path(folder), seed=0)
    assert not _was_interrupted(Path(folder), seed=1)
    cfg.work_dir = folder
    run_quickstart(cfg)
    assert seed_of(folder) == 1


def test_every_file_names_its_checkpoint():
    cfg, root = read_config(CONFIG), CONFIG.parents[2]
    texts = [root / 'README.md', *(root / 'docs').glob('*.md'), *(root / 'configs').rglob('*.py')]
    named = [re.findall(rf'{cfg.work_dir}/epoch_(\d+)\.pth', path.read_text()) for path in texts]
    assert len(sum(named, [])) > 3
    assert {int(epoch) for epoch in sum(named, [])} == {cfg.train_cfg.max_epochs}


def test_a_seed_gives_the_same_features_before_training(cfg):
    from cmae_mm.demo.quickstart import _evaluate

    pictures.ensure_builtin_images(cfg.train_dataloader.dataset.data_root)
    assert accuracies(_evaluate(cfg, None)) == accuracies(_evaluate(cfg, None))


def accuracies(results):
    """What was found, without the seconds that it took."""
    return {name: value for name, value in results.items() if name != 'seconds'}
