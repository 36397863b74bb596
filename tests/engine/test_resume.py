"""A run that was stopped goes on as if it never had been."""

import os
import random
import shutil
import signal
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import RUNNERS
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader

from cmae_mm.checkpoints import load_run
from cmae_mm.engine import SkippedImagesHook
from cmae_mm.engine.loops import ResumableEpochBasedTrainLoop, ResumableLoop
from cmae_mm.engine.resume import newest_checkpoint
from cmae_mm.engine.seeding import seed_step
from tests.helpers.files import write_images
from tests.helpers.process import become_rank, fork_ranks, free_port
from tests.helpers.runs import (
    EPOCHS,
    ITERATIONS,
    Killed,
    KillHook,
    config,
    differences,
    state,
    train,
)


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / 'images', num=7)
    return tmp_path


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
@pytest.mark.parametrize('kill_at', [4, 6])
def test_resume_is_exact(folder, train_cfg, workers, kill_at):
    train(config(folder, 'whole', train_cfg))
    train(config(folder, 'parts', train_cfg, workers), kill_at)
    runner = train(config(folder, 'parts', train_cfg, workers, resume=True))
    assert runner.iter == 9
    whole, parts = (state(folder / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert len(whole) > 100 and differences(whole, parts) == []


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
def test_resume_is_exact_on_two_ranks(folder, train_cfg):
    write_images(folder / 'images', num=11)  # three batches of two for each rank
    for work_dir, kill_at, resume in (
        ('whole', None, False),
        ('parts', 4, False),
        ('parts', None, True),
    ):
        fork_ranks(
            train_a_rank,
            2,
            free_port(),
            config(folder, work_dir, train_cfg, 1, resume=resume),
            kill_at,
        )
    whole, parts = (state(folder / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert len(whole) > 100 and differences(whole, parts) == []


def train_a_rank(rank, port, cfg, kill_at):
    become_rank(rank, port, cfg)
    train(cfg, kill_at)


def test_resume_is_exact_in_mixed_precision_and_micro_batches_and_with_a_seed_of_its_own(folder):
    """Without a seed in the config the checkpoint's is taken."""
    whole, parts = (
        config(folder, name, EPOCHS, precision='bfloat16') for name in ('whole', 'parts')
    )
    parts.model.micro_batch = whole.model.micro_batch = 1
    parts.randomness = whole.randomness = dict(seed=None, diff_rank_seed=True)
    seed = train(parts, kill_at=4).seed
    parts.resume = True
    assert train(parts).seed == seed
    whole.randomness = dict(seed=seed, diff_rank_seed=True)
    train(whole)
    whole, parts = (state(folder / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert differences(whole, parts) == []


def test_an_epochs_checkpoint_is_resumed_at_the_next_epoch(folder):
    def cfg(name, **kwargs):
        made = config(folder, name, EPOCHS, **kwargs)
        made.default_hooks.checkpoint.update(by_epoch=True, max_keep_ckpts=-1)
        return made

    train(cfg('whole'))
    train(cfg('parts'), kill_at=5)
    train(cfg('parts', resume=True))
    whole, parts = (state(folder / name / 'epoch_3.pth') for name in ('whole', 'parts'))
    assert differences(whole, parts) == []


@pytest.mark.parametrize(
    'loop',
    [
        dict(by_epoch=True, max_epochs=1),
        dict(type='EpochBasedTrainLoop', max_epochs=1),
        dict(type='mmengine.IterBasedTrainLoop', max_iters=1),
        dict(type=EpochBasedTrainLoop, max_epochs=1),
    ],
)
def test_the_hosts_loops_become_ours_however_they_are_named(folder, loop):
    runner = RUNNERS.build(config(folder, 'run', EPOCHS))
    assert isinstance(runner.build_train_loop(loop), ResumableLoop)


@pytest.mark.parametrize(
    'said, gpu, pinned', [({}, 1, 1), ({}, 0, 0), ({'pin_memory': False}, 1, 0)]
)
def test_batches_are_pinned_where_there_is_a_gpu(folder, monkeypatch, said, gpu, pinned):
    cfg = config(folder, 'run', EPOCHS)
    cfg.train_dataloader.update(said)
    runner = RUNNERS.build(cfg)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: bool(gpu))
    assert runner.build_train_loop(cfg.train_cfg).dataloader.pin_memory == bool(pinned)


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
def test_what_was_seen_is_not_loaded_again(folder, train_cfg):
    train(config(folder, 'run', train_cfg), kill_at=5)
    runner = train(config(folder, 'run', train_cfg, resume=True))
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, SkippedImagesHook))
    assert hook.skipped.count().samples == 2 * (9 - 5)


class DrawHook(Hook):
    """Draws a number from each generator before each step."""

    priority = 'LOWEST'

    def __init__(self):
        self.drawn = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.drawn.append((random.random(), np.random.rand(), torch.rand(()).item()))


def test_every_step_has_random_numbers_of_its_own(folder):
    runner = RUNNERS.build(config(folder, 'run', EPOCHS))
    draws = DrawHook()
    runner.register_hook(draws)
    runner.train()
    for of_a_generator in zip(*draws.drawn):
        assert len(set(of_a_generator)) == 9


def test_steps_of_other_seeds_iterations_and_ranks_draw_other_numbers():
    def draw(*key):
        seed_step(*key)
        return random.random(), np.random.rand(), torch.rand(()).item()

    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert len({draw(*key) for key in keys}) == 4
    assert draw(0, 1, 0) == draw(0, 1, 0)


@pytest.fixture
def stopped(folder):
    """The work folder of a run with checkpoints of iterations 3 and 4."""
    cfg = config(folder, 'run', EPOCHS)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 2
    train(cfg, kill_at=4)
    run = folder / 'run'
    assert (run / 'last_checkpoint').read_text() == str(run / 'iter_4.pth')
    assert sorted(path.name for path in run.glob('*.pth')) == ['iter_3.pth', 'iter_4.pth']
    return run


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    'harm, expected, why',
    [
        (lambda run: (run / 'last_checkpoint').unlink(), 4, 'last_checkpoint is missing or empty'),
        (lambda run: (run / 'last_checkpoint').write_text(''), 4, 'is missing or empty'),
        (lambda run: (run / 'last_checkpoint').write_bytes(b'\xff'), 4, 'is missing or empty'),
        (lambda run: (run / 'last_checkpoint').write_text('iter_3.pth'), 4, 'newer than iter_3'),
        (lambda run: truncate(run / 'iter_4.pth'), 3, 'iter_4.pth, named by last_checkpoint, is'),
        (lambda run: flip_a_bit(run / 'iter_4.pth'), 3, "iter_4.pth' is not a whole checkpoint"),
        (lambda run: (run / 'iter_4.pth').unlink(), 3, 'iter_4.pth, named by last_checkpoint, is'),
        (lambda run: (run / 'last_checkpoint').write_text('/gone/iter_4.pth'), 4, 'resuming from'),
    ],
)
def test_the_newest_whole_checkpoint_is_found(stopped, harm, expected, why, capfd):
    harm(stopped)
    cfg = config(stopped.parent, 'run', EPOCHS, resume=True)
    cfg.log_level = 'INFO'
    assert Path(RUNNERS.build(cfg)._load_from).name == f'iter_{expected}.pth'
    assert why in capfd.readouterr().out


def saved_at(path, time):
    """Let a checkpoint have been saved at another time."""
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['meta']['time'] = time
    torch.save(checkpoint, path)


@pytest.mark.parametrize('named', ['iter_3.pth', 'iter_gone.pth'])
def test_what_a_run_before_has_left_is_not_resumed(stopped, named):
    saved_at(stopped / 'iter_4.pth', '20200101_000000')
    (stopped / 'last_checkpoint').write_text(named)
    found = RUNNERS.build(config(stopped.parent, 'run', EPOCHS, resume=True))._load_from
    assert Path(found).name == 'iter_3.pth'


def test_a_changed_clock_does_not_send_a_run_back(stopped):
    saved_at(stopped / 'iter_4.pth', '20200101_000000')
    assert newest_checkpoint(stopped).name == 'iter_4.pth'


def test_weights_alone_are_not_resumed(stopped):
    weights = stopped / 'weights.pth'
    torch.save({'state_dict': load_run(stopped / 'iter_4.pth')['state_dict']}, weights)
    cfg = config(stopped.parent, 'run', EPOCHS, resume=True)
    cfg.load_from = str(weights)
    with pytest.raises(ValueError, match='no state of a run that could be resumed.*load_from'):
        RUNNERS.build(cfg)


def test_damaged_files_alone_stop_the_run(stopped):
    for path in stopped.glob('*.pth'):
        truncate(path)
    with pytest.raises(ValueError, match='no whole checkpoint in .*iter_[34].pth.*--resume PATH'):
        train(config(stopped.parent, 'run', EPOCHS, resume=True))


def test_a_pointer_to_nothing_stops_the_run(stopped):
    for path in stopped.glob('*.pth'):
        path.unlink()
    with pytest.raises(ValueError, match="no checkpoint '.*iter_4.pth'.*or start anew"):
        train(config(stopped.parent, 'run', EPOCHS, resume=True))


def test_an_empty_folder_is_a_new_run_that_says_so(folder, capfd):
    cfg = config(folder, 'new', EPOCHS, resume=True)
    cfg.log_level = 'INFO'
    assert train(cfg).iter == 9
    assert "new': training starts anew" in capfd.readouterr().out


def test_weights_of_another_kind_are_not_resumed_from(stopped):
    torch.save({'meta': {'iter': 99}, 'state_dict': {}}, stopped / 'best_epoch_9.pth')
    cfg = config(stopped.parent, 'run', EPOCHS, resume=True)
    assert Path(RUNNERS.build(cfg)._load_from).name == 'iter_4.pth'


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('how', ['newest', 'named', 'load_from', 'init_cfg'])
def test_a_malicious_file_is_refused(stopped, how):
    marker = stopped / 'executed'
    checkpoint = load_run(stopped / 'iter_4.pth')
    checkpoint['evil'] = Attack(marker)
    (stopped / 'iter_3.pth').unlink()
    path = stopped / 'iter_4.pth'
    torch.save(checkpoint, path)
    cfg = config(stopped.parent, 'run', EPOCHS, resume=how in ('newest', 'named'))
    cfg.load_from = str(path) if how in ('named', 'load_from') else None
    if how == 'init_cfg':
        cfg.model.backbone.init_cfg = dict(
            type='Pretrained', checkpoint=str(path), prefix='backbone.'
        )
    with pytest.raises(ValueError, match=f'{path.name}.*mkdir'):
        train(cfg)
    assert not marker.exists()
    cfg.trust_checkpoints = True
    train(cfg)
    assert marker.exists()


def test_a_trusting_runner_does_not_make_another_trust(stopped):
    marker = stopped / 'executed'
    checkpoint = load_run(stopped / 'iter_4.pth')
    checkpoint['evil'] = Attack(marker)
    evil = str(stopped / 'evil.pth')
    torch.save(checkpoint, evil)
    cfg = config(stopped.parent, 'other', EPOCHS)
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=evil, prefix='backbone.')
    runner = RUNNERS.build(cfg)
    trusting = {**config(stopped.parent, 'trusting', EPOCHS), 'trust_checkpoints': True}
    for load in (runner.train, lambda: runner.load_checkpoint(evil)):
        RUNNERS.build(Config({**trusting, 'experiment_name': uuid.uuid4().hex}))
        with pytest.raises(ValueError, match='evil.pth.*mkdir'):
            load()
    assert not marker.exists()


def test_a_config_in_meta_data_is_refused(stopped):
    marker = stopped / 'executed'
    path = stopped / 'iter_4.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['meta']['config'] = f'import os\nos.mkdir({str(marker)!r})'
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match='was refused.*a config, which mmengine would execute'):
        train(config(stopped.parent, 'run', EPOCHS, resume=True))
    assert not marker.exists()


def kill_at_step(rank, cfg, step):
    """Die by SIGKILL at a step of replacing a file: the third checkpoint and its pointer."""
    calls = iter(range(100))

    def counted(function):
        def call(*args, **kwargs):
            if next(calls) == step:
                if function is save:
                    args[1].write(b'half')
                    args[1].flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    torch.set_num_threads(1)
    save = torch.save
    torch.save, os.replace, os.fsync, os.unlink = map(
        counted, (save, os.replace, os.fsync, os.unlink)
    )
    train(cfg)


CALLS_PER_SAVE = 8  # write, sync file, rename, sync folder, of the checkpoint and its pointer


@pytest.mark.parametrize('step', [0, *range(3 * CALLS_PER_SAVE, 4 * CALLS_PER_SAVE)])
def test_killed_while_saving_at_most_one_interval_is_lost(folder, step):
    cfg = config(folder, 'run', EPOCHS)
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match='SIGKILL'):
        fork_ranks(kill_at_step, 1, cfg, step)
    cfg.resume = True
    runner = RUNNERS.build(cfg)
    complete = step // CALLS_PER_SAVE
    found = int(Path(runner._load_from).stem[5:]) if runner._load_from else 0
    assert found in (complete, complete + 1)
    runner.train()
    assert sorted(path.name for path in (folder / 'run').glob('*.pth')) == ['iter_9.pth']
    assert not list((folder / 'run').glob('.*'))


class SignalHook(Hook):
    """Sends this process a signal in the middle of an iteration."""

    def __init__(self, number, at):
        self.number, self.at = number, at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), self.number)


def train_until_signal(cfg, number, at):
    runner = RUNNERS.build(cfg)
    runner.register_hook(SignalHook(number, at), priority='VERY_HIGH')
    with pytest.raises(SystemExit) as ended:
        runner.train()
    assert ended.value.code == 75
    return runner


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_the_step_and_ends_the_run(folder, number):
    def cfg(name, resume=False):
        made = config(folder, name, EPOCHS, workers=1, resume=resume)
        made.default_hooks.checkpoint.interval = 9
        return made

    train(cfg('whole'))
    handler = signal.getsignal(number)
    train_until_signal(cfg('parts'), number, at=4)
    assert signal.getsignal(number) == handler
    assert (folder / 'parts' / 'last_checkpoint').read_text().endswith('interrupted.pth')
    assert load_run(folder / 'parts' / 'interrupted.pth')['meta']['iter'] == 5
    train(cfg('parts', resume=True))
    whole, parts = (state(folder / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert differences(whole, parts) == []
    assert not (folder / 'parts' / 'interrupted.pth').exists()


@pytest.mark.parametrize('kill_at', [4, None], ids=['error', 'end'])
def test_signals_are_given_back_when_training_ends(folder, kill_at):
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    train(config(folder, 'run', EPOCHS), kill_at)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize('several', [False, True])
def test_the_best_of_a_copied_folder_is_its_own(folder, several):
    keys = ['train/a', 'train/b'][: 1 + several]
    best = [f'best_train_{key[-1]}_iter_2.pth' for key in keys]

    def cfg(name, resume=False):
        made = config(folder, name, EPOCHS, resume=resume)
        made.default_hooks.checkpoint.update(save_best=keys if several else keys[0], rule='greater')
        return made

    runner = RUNNERS.build(cfg('first'))
    hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    runner.register_hook(BestAt(hook, 2), priority='VERY_LOW')
    runner.register_hook(KillHook(7), priority='VERY_HIGH')
    with pytest.raises(Killed):
        runner.train()
    runner.writer.wait()
    shutil.copytree(folder / 'first', folder / 'second')
    runner = RUNNERS.build(cfg('second', resume=True))
    hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    runner.register_hook(BestAt(hook, 8), priority='VERY_LOW')
    runner.train()
    assert [path.name for path in sorted((folder / 'first').glob('best*'))] == best
    assert [path.name for path in sorted((folder / 'second').glob('best*'))] == [
        name.replace('iter_2', 'iter_8') for name in best
    ]


class BestAt(Hook):
    """Reports an even better score at an iteration, as a validation does."""

    def __init__(self, checkpoints, at):
        self.checkpoints, self.at = checkpoints, at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.at:
            scores = {'train/a': float(self.at), 'train/b': float(self.at)}
            self.checkpoints._save_best_checkpoint(runner, scores)


def test_a_checkpoint_folder_of_its_own_is_made(folder):
    cfg = config(folder, 'run', EPOCHS)
    cfg.default_hooks.checkpoint.out_dir = str(folder / 'elsewhere')
    train(cfg)
    assert (folder / 'elsewhere' / 'run' / 'iter_9.pth').is_file()


def test_a_runner_trains_once(folder):
    """The host would go on from new weights."""
    runner = train(config(folder, 'run', EPOCHS), kill_at=4)
    with pytest.raises(RuntimeError, match='has trained before.*resume=True'):
        runner.train()


def test_a_hook_of_none_is_none(folder):
    cfg = config(folder, 'run', EPOCHS)
    cfg.default_hooks.probe = None
    assert RUNNERS.build(cfg)


def test_a_loader_that_can_not_start_anywhere_is_refused():
    with pytest.raises(ValueError, match='train_dataloader is a DataLoader'):
        ResumableEpochBasedTrainLoop(None, DataLoader([0]), max_epochs=1)


def signal_a_rank(rank, port, cfg, signalled):
    become_rank(rank, port, cfg)
    number = signal.SIGTERM if rank == signalled else 0
    train_until_signal(cfg, number, at=4)


@pytest.mark.parametrize('signalled', [0, 1])
def test_a_signal_to_one_rank_ends_all_at_the_same_step(folder, signalled):
    write_images(folder / 'images', num=11)
    cfg = config(folder, 'run', EPOCHS)
    cfg.env_cfg = dict(dist_cfg=dict(timeout=20))
    fork_ranks(signal_a_rank, 2, free_port(), cfg, signalled)
    # heard one step later
    assert load_run(folder / 'run' / 'interrupted.pth')['meta']['iter'] == 6


def test_with_accumulated_gradients_the_optimiser_steps_before_the_end(folder):
    cfg = config(folder, 'run', EPOCHS)
    cfg.optim_wrapper.accumulative_counts = 3
    train_until_signal(cfg, signal.SIGTERM, at=3)
    assert load_run(folder / 'run' / 'interrupted.pth')['meta']['iter'] == 6
