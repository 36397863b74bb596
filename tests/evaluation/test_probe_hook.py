"""A probe while it trains: what it measures, and that training does not notice."""

import json
import random
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from mmengine.hooks import IterTimerHook
from mmengine.registry import RUNNERS, init_default_scope
from torch.utils.data import Subset

from cmae_mm.checkpoints import load_run
from cmae_mm.engine.ranks import run_ranks
from cmae_mm.evaluation import (
    FeatureProbeHook,
    build_encoder,
    evaluate_features,
)
from cmae_mm.evaluation.online_classifier import OnlineClassifier
from cmae_mm.models import build_model
from tests.helpers.files import write_images
from tests.helpers.runs import EPOCHS, ITERATIONS, config, differences, state, train


@pytest.fixture
def folder(tmp_path):
    """Seven images to train on, in class folders, and other images of the same classes."""
    for split, counts in (('images', (4, 3)), ('test', (2, 3))):
        for name, count in zip(('ant', 'bee'), counts):
            write_images(tmp_path / split / name, num=count, name=split + '{}.jpg')
    return tmp_path


def probed(cfg, **probe):
    """The config with a probe of the images of the fixture."""
    root = cfg.train_dataloader.dataset.data_root
    fields = dict(interval=1, train=root, test=root.replace('images', 'test'))
    cfg.default_hooks.probe = {'type': 'FeatureProbeHook', **fields, **probe}
    return cfg


def probe_of(runner):
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, FeatureProbeHook))
    return hook


def logged(runner, name):
    return runner.message_hub.get_scalar(f'probe/{name}').data[0].tolist()


def test_accuracy_is_that_of_the_checkpoint_s_frozen_features(folder):
    cfg = probed(config(folder, 'run', EPOCHS))
    runner = train(cfg)
    encoder = build_encoder(cfg, folder / 'run' / 'iter_9.pth')
    splits = (folder / 'images', folder / 'test')
    expected = evaluate_features(encoder, *splits, (3, 16, 16), num_workers=0)
    assert len(logged(runner, 'knn')) == 3
    assert logged(runner, 'knn')[-1] == pytest.approx(expected['knn'])
    assert logged(runner, 'linear')[-1] in [pytest.approx(100 * n / 5) for n in range(6)]


def random_states():
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()]


def plain(cfg):
    """The host's Runner, whose steps draw one after another from the same generators."""
    cfg.pop('runner_type')


def everything(cfg):
    cfg.optim_wrapper.update(dtype='bfloat16', accumulative_counts=2)
    cfg.activation_checkpointing = ['backbone.layers']
    cfg.train_dataloader.update(num_workers=1, persistent_workers=True)


@pytest.mark.parametrize('setting', [plain, everything])
def test_training_is_bit_for_bit_the_same(folder, setting):
    left, states = [], []
    for work_dir in ('without', 'with'):
        cfg = config(folder, work_dir, EPOCHS)
        setting(cfg)
        runner = train(probed(cfg) if work_dir == 'with' else cfg)
        assert all(p.grad is None or p.grad.isfinite().all() for p in runner.model.parameters())
        left.append(load_run(folder / work_dir / 'iter_9.pth'))
        states.append(random_states())
        modes = {name: m.training for name, m in runner.model.named_modules()}
        assert all(modes.values()), modes
    assert len(logged(runner, 'knn')) == 3
    assert left[0]['state_dict'].keys() == left[1]['state_dict'].keys()
    for name, tensor in left[0]['state_dict'].items():
        assert tensor.equal(left[1]['state_dict'][name]), name
    assert len(left[0]['optimizer']['param_groups']) == len(left[1]['optimizer']['param_groups'])
    assert states[0] == states[1]


@pytest.mark.parametrize(
    'train_cfg, probe',
    [(EPOCHS, dict()), (ITERATIONS, dict(by_epoch=False, interval=2))],
    ids=['epochs', 'iterations'],
)
def test_resume_is_exact(folder, train_cfg, probe):
    train(probed(config(folder, 'whole', train_cfg), **probe))
    train(probed(config(folder, 'parts', train_cfg), **probe), kill_at=5)
    runner = train(probed(config(folder, 'parts', train_cfg, resume=True), **probe))
    whole, parts = (state(folder / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert '/feature_probe/classifier/linear/weight' in whole
    assert differences(whole, parts) == []
    assert len(logged(runner, 'knn')) == (3 if train_cfg is EPOCHS else 5)


def best(folder):
    return sorted(path.name for path in folder.glob('best_*.pth'))


def test_the_best_checkpoint_is_that_of_the_best_probe(folder):
    cfg = probed(config(folder, 'run', EPOCHS))
    cfg.default_hooks.checkpoint.update(by_epoch=True, save_best='probe/linear')
    runner = train(cfg)
    accuracies = logged(runner, 'linear')
    epoch = 1 + int(np.argmax(accuracies))
    assert best(folder / 'run') == [f'best_probe_linear_epoch_{epoch}.pth']
    assert runner.message_hub.get_info('best_score') == max(accuracies)
    saved = load_run(folder / 'run' / best(folder / 'run')[0])['meta']
    assert (saved['epoch'], saved['iter']) == (epoch, 3 * epoch)


def test_a_best_checkpoint_of_no_probe_is_an_error(folder):
    cfg = probed(config(folder, 'run', EPOCHS))
    cfg.default_hooks.checkpoint.update(save_best='probe/nearest', rule='greater')
    with pytest.raises(ValueError, match="save_best='probe/nearest': choose 'probe/knn'"):
        RUNNERS.build(cfg).train()


def test_a_run_that_is_killed_before_the_best_is_saved_saves_it_when_resumed(folder):
    cfg = probed(config(folder, 'run', EPOCHS), interval=3)  # the last epoch's, and that alone
    cfg.train_cfg = dict(by_epoch=True, max_epochs=4)
    cfg.default_hooks.checkpoint.update(by_epoch=True, save_best='probe/knn')
    train(cfg, kill_at=9)
    assert best(folder / 'run') == []
    cfg.resume = True
    train(cfg, kill_at=10)
    assert best(folder / 'run') == ['best_probe_knn_epoch_3.pth']


@pytest.mark.parametrize(
    'train_cfg, probe, steps',
    [
        (EPOCHS, dict(interval=2), [6, 9]),  # and the end
        (ITERATIONS, dict(interval=4, by_epoch=False), [4, 8, 9]),
    ],
    ids=['epochs', 'iterations'],
)
def test_trackers_get_each_probe_at_its_step(folder, train_cfg, probe, steps):
    runner = train(probed(config(folder, 'run', train_cfg), **probe))
    (log,) = (folder / 'run').rglob('scalars.json')
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    found = [entry for entry in entries if 'probe/knn' in entry]
    assert [entry['step'] for entry in found] == steps
    for name in ('knn', 'linear', 'time'):
        assert [entry[f'probe/{name}'] for entry in found] == logged(runner, name)


def test_without_test_images_others_of_the_same_folder_are_classified(folder):
    runner = train(probed(config(folder, 'run', EPOCHS), train=None, test=None))
    known, asked, _ = probe_of(runner).images
    assert len(known) == 4 and len(asked) == 3 and not {*known.indices} & {*asked.indices}
    assert len(logged(runner, 'knn')) == 3


def test_folders_of_the_config_may_be_missing(folder, capfd):
    cfg = probed(config(folder, 'run', EPOCHS), train=None, test=None)
    cfg.log_level = 'WARNING'
    cfg.feature_eval = dict(train='nowhere/train', test='nowhere/test')
    runner = train(cfg)
    assert runner.iter == 9 and 'probe/knn' not in runner.message_hub.log_scalars
    assert "no probe of features: no folder 'nowhere/train'" in capfd.readouterr().out


@pytest.mark.parametrize(
    'probe, error, message',
    [
        (dict(train='nowhere'), FileNotFoundError, "no folder 'nowhere'"),
        (dict(test='nowhere'), FileNotFoundError, "no folder 'nowhere'"),
        (dict(test='{}/other'), ValueError, 'other classes than .*: bee, cat'),
        (dict(train='{}/few', test=None), ValueError, 'one image per class'),
        (dict(pooling='max'), ValueError, "choose 'avg' or 'cls'"),
    ],
)
def test_bad_input_ends_the_run_before_its_first_step(folder, probe, error, message):
    for name in ('ant', 'cat'):
        write_images(folder / 'other' / name, num=2)
        write_images(folder / 'few' / name, num=1)
    probe = {k: v and v.format(folder) for k, v in probe.items()}
    runner = RUNNERS.build(probed(config(folder, 'run', EPOCHS), **probe))
    with pytest.raises(error, match=message):
        runner.train()
    assert runner.iter == 0


def test_the_next_step_is_not_said_to_wait_for_data(monkeypatch):
    timer, hook = IterTimerHook(), FeatureProbeHook()
    timer.t, hook.spent, hook.started = 0.0, 0.0, 0.0
    monkeypatch.setattr(hook, '_evaluate', lambda *args: dict(knn=50.0))
    hook._probe(MagicMock(hooks=[timer]), 'epoch 1', 1)
    assert timer.t > 0


def test_intervals_that_make_no_sense():
    with pytest.raises(ValueError, match='interval=0.*at least 1'):
        FeatureProbeHook(interval=0)


def evaluate_a_rank(rank, folder):
    init_default_scope('mmpretrain')
    cfg = config(folder, 'run', EPOCHS)
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    hook = FeatureProbeHook(train=str(folder / 'images'), test=str(folder / 'test'), num_workers=0)
    runner = SimpleNamespace(
        model=model,
        cfg=cfg,
        hooks=[],
        optim_wrapper=None,
        train_dataloader=SimpleNamespace(num_workers=0),
    )
    hook.before_train(runner)
    hook.classifier = OnlineClassifier(24, 2, torch.device('cpu'), batch_size=2)
    found = [hook._evaluate(runner, 1)]
    weight = hook.classifier.linear.weight.detach().clone()
    # of one image two ranks have none and one
    hook.images = hook.images._replace(asked=Subset(hook.images.asked, [0]))
    found.append(hook._evaluate(runner, 2))
    return found, weight


def test_two_ranks_measure_what_one_does(folder):
    (folder / 'images' / 'ant' / 'broken.jpg').write_bytes(b'broken')
    one, *two = *run_ranks(evaluate_a_rank, 1, folder), *run_ranks(evaluate_a_rank, 2, folder)
    for found, weight in two:
        assert found == one[0]
        assert torch.allclose(weight, one[1], atol=1e-4)
