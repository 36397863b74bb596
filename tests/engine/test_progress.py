import json
import re
import sys

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from cmae_mm.engine.console import console
from cmae_mm.engine.progress import ProgressHook, _brief_losses

BATCH, STEPS = 4, 6


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode):
        return {'loss_toy': self.linear(inputs).square().mean()}


def train(work_dir, interval=1):
    """A toy model through a real Runner; returns the Runner and its JSON log."""
    data = [{'inputs': torch.ones(2)} for _ in range(BATCH * STEPS)]
    runner = Runner(
        Toy(),
        str(work_dir),
        train_dataloader=DataLoader(data, BATCH),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=interval), checkpoint=None),
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


def last_line(capsys):
    """The last text on the live line, and what else was printed."""
    printed = capsys.readouterr()
    texts = [text.strip() for text in re.split('[\r\n]', printed.err) if text.strip()]
    return texts[-1] if texts else '', printed.out


def test_no_live_line_without_a_terminal(tmp_path, capsys):
    train(tmp_path)
    assert f'{STEPS}/{STEPS}' not in last_line(capsys)[0]


def on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)


def test_live_line_on_a_terminal(tmp_path, capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    train(tmp_path)
    line, _ = last_line(capsys)
    assert re.fullmatch(
        rf'{STEPS}/{STEPS}  00:00 left  loss toy [\d.e-]+  [\d.]+ img/s  data \d+%  \d\.\d GB', line
    )


def test_only_rank_0_draws(tmp_path, capsys, monkeypatch):
    on_a_terminal(monkeypatch)
    monkeypatch.setattr('cmae_mm.engine.progress.is_main_process', lambda: False)
    train(tmp_path)
    assert f'{STEPS}/{STEPS}' not in last_line(capsys)[0]


def test_a_line_per_logging_interval_on_a_brief_console(tmp_path, capsys):
    with console():
        train(tmp_path, interval=2)
    _, out = last_line(capsys)
    steps = re.findall(rf'^(\d)/{STEPS}  .*loss toy .* img/s', out, re.MULTILINE)
    assert steps == ['2', '4', '6'] and '\r' not in out


@pytest.mark.parametrize(
    'losses, shown',
    [
        ({'loss': 3.0, 'loss_rc': 1.0, 'loss_ct': 2.0}, 'loss rc 1.00 ct 2.00'),
        ({'loss': 0.5}, 'loss 0.500'),
        ({'loss': 4.0, **{f'loss_{name}': 1.0 for name in 'abcd'}}, 'loss 4.00'),
        ({}, ''),
    ],
)
def test_few_losses_by_name_and_many_as_their_sum(losses, shown):
    assert _brief_losses(losses) == shown
