import json
import sys

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from cmae_mm.engine.progress import ProgressHook

BATCH, STEPS = 4, 6


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode):
        return {'loss_toy': self.linear(inputs).square().mean()}


def train(work_dir):
    """A toy model through a real Runner; returns the Runner and its JSON log."""
    data = [{'inputs': torch.ones(2)} for _ in range(BATCH * STEPS)]
    runner = Runner(
        Toy(),
        str(work_dir),
        train_dataloader=DataLoader(data, BATCH),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=None),
        custom_hooks=[ProgressHook(window=3)],
        default_scope='mmpretrain',
        experiment_name=f'progress_{work_dir.name}',
    )
    runner.train()
    (log,) = work_dir.rglob('scalars.json')
    return runner, [json.loads(line) for line in log.read_text().splitlines()]


def test_rate_stands_in_the_log_and_is_images_by_mean_time(tmp_path):
    runner, log = train(tmp_path)
    times = runner.message_hub.get_scalar('train/time').data[0]
    for step, entry in enumerate(log):
        latest = times[max(0, step - 2) : step + 1]
        assert entry['images_per_s'] == pytest.approx(BATCH / latest.mean(), rel=1e-3)
    assert len(log) == STEPS


def test_all_ranks_images_count(tmp_path, monkeypatch):
    monkeypatch.setattr('cmae_mm.engine.progress.get_world_size', lambda: 3)
    runner, log = train(tmp_path)
    times = runner.message_hub.get_scalar('train/time').data[0]
    assert log[0]['images_per_s'] == pytest.approx(3 * BATCH / times[0], rel=1e-3)


def test_no_live_line_without_a_terminal(tmp_path, capsys):
    train(tmp_path)
    assert f'/{STEPS} |' not in capsys.readouterr().err


def test_live_line_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    train(tmp_path)
    last = capsys.readouterr().err.split('\r')[-1]
    assert f'{STEPS}/{STEPS} |' in last
    for word in ('left', 'loss_toy=', 'images_per_s='):
        assert word in last


def test_only_rank_0_draws(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    monkeypatch.setattr('cmae_mm.engine.progress.is_main_process', lambda: False)
    train(tmp_path)
    assert f'/{STEPS} |' not in capsys.readouterr().err
