"""Resuming with another number of ranks, or of images per step."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import CosineAnnealingLR, ExponentialLR, LinearLR
from mmengine.registry import RUNNERS

from cmae_mm.engine.batch import Batch, FreshSchedule, Position, convert_position
from tests.helpers.files import write_images
from tests.helpers.process import become_rank, fork_ranks, free_port
from tests.helpers.runs import EPOCHS, ITERATIONS, config, train


class RecordHook(Hook):
    """Writes which samples each iteration takes."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        with open(f'{runner.work_dir}/samples.txt', 'a') as file:
            for index in runner.train_loop.indices:
                file.write(f'{runner.iter // runner.optim_wrapper._accumulative_counts} {index}\n')


def samples(folder):
    """Set of (step, sample) of a run and its resumption."""
    lines = (folder / 'samples.txt').read_text().split('\n')[:-1]
    return sorted(tuple(map(int, line.split())) for line in lines)


def run(cfg, kill_at=None):
    register = RUNNERS.get('SafeRunner').register_hooks

    def with_record(self, *args, **kwargs):
        register(self, *args, **kwargs)
        self.register_hook(RecordHook())

    kind = RUNNERS.get('SafeRunner')
    kind.register_hooks = with_record
    try:
        return train(cfg, kill_at)
    finally:
        kind.register_hooks = register


def on_a_rank(rank, port, cfg, kill_at):
    become_rank(rank, port, cfg)
    run(cfg, kill_at)


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / 'images', num=12)  # three steps of four
    return tmp_path


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERATIONS], ids=['epochs', 'iterations'])
@pytest.mark.parametrize('per_rank, accumulated', [(4, 1), (2, 2)])
def test_another_number_of_ranks_takes_the_same_images(folder, train_cfg, per_rank, accumulated):
    fork_ranks(on_a_rank, 2, free_port(), config(folder, 'run', train_cfg), 4)
    cfg = config(folder, 'run', dict(train_cfg), resume=True)
    cfg.train_dataloader.batch_size = per_rank
    cfg.optim_wrapper.accumulative_counts = accumulated
    if 'max_iters' in cfg.train_cfg:
        cfg.train_cfg.max_iters *= accumulated
    runner = run(cfg)
    assert runner.iter == 9 * accumulated
    whole = config(folder, 'whole', train_cfg)
    whole.train_dataloader.batch_size = 4
    run(whole)
    assert len(samples(folder / 'whole')) == 36
    assert samples(folder / 'run') == samples(folder / 'whole')


def test_another_number_of_images_per_step_stops_unless_told(folder, capfd):
    train(config(folder, 'run', EPOCHS), kill_at=4)  # of 6 iterations an epoch
    cfg = config(folder, 'run', EPOCHS, resume=True)
    cfg.train_dataloader.batch_size = 4
    cfg.log_level = 'INFO'
    with pytest.raises(
        ValueError, match='run with 2 images per step .1 ranks x 2.*this one has 4 images'
    ):
        train(cfg)
    cfg.allow_batch_change = True
    runner = train(cfg)
    assert runner.iter == 9  # 2 of 3 iterations of the first epoch were seen, 7 came
    assert 'go with it' in capfd.readouterr().out


def rates(runner):
    """Learning rate of each iteration."""
    return runner.message_hub.get_scalar('train/lr').data[0].tolist()


def test_a_resumed_schedule_is_that_of_the_new_batch(folder):
    def cfg(name, per_rank, accumulated, resume=False):
        made = config(folder, name, EPOCHS, resume=resume)
        made.train_dataloader.batch_size = per_rank
        made.optim_wrapper.accumulative_counts = accumulated
        return made

    train(cfg('run', 4, 1), kill_at=4)  # one iteration after the first epoch
    resumed = train(cfg('run', 2, 2, resume=True))
    whole = train(cfg('whole', 2, 2))
    assert resumed.iter == whole.iter == 18
    assert len(rates(resumed)) == 4 + 10
    assert rates(resumed)[4:] == rates(whole)[8:] != rates(resumed)[:4]


OLD = Batch(8, 128, 1)


@pytest.mark.parametrize(
    'new, length, expected',
    [
        (Batch(8, 128, 1), 10, (2, 25, 5)),
        (Batch(4, 256, 1), 10, (2, 25, 5)),
        (Batch(2, 128, 4), 40, (2, 100, 20)),
        (Batch(16, 128, 1), 5, (2, 12, 2)),  # rounded down: no image is left out
        (Batch(2, 128, 4), None, (2, 100, 20)),
        (Batch(16, 128, 1), None, (2, 25, 2)),
    ],
)
def test_position_in_iterations_of_another_batch(new, length, expected):
    assert convert_position(Position(2, 25, 5), OLD, new, length) == expected


def schedulers(factor):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    by = dict(by_epoch=False)
    warm = LinearLR(optimizer, start_factor=0.1, begin=0, end=4 * factor, **by)
    cosine = CosineAnnealingLR(optimizer, T_max=6 * factor, begin=4 * factor, end=10 * factor, **by)
    return optimizer, [warm, cosine]


def steps(optimizer, of_it, count):
    rates = []
    for _ in range(count):
        optimizer.step()
        for one in of_it:
            one.step()
        rates.append(optimizer.param_groups[0]['lr'])
    return rates


@pytest.mark.parametrize('at', [2, 7])
def test_schedules_go_on_in_iterations_of_another_batch(at):
    whole = steps(*schedulers(factor=5), 50)
    first, of_first = schedulers(factor=1)
    steps(first, of_first, at)
    second, of_second = schedulers(factor=5)
    fresh = FreshSchedule(second, of_second)
    for one, state in zip(of_second, of_first):  # as the host resumes
        one.load_state_dict(state.state_dict())
    second.load_state_dict(first.state_dict())
    fresh.replay(Position(epoch=0, iteration=5 * at, batch_in_epoch=0))
    assert steps(second, of_second, 50 - 5 * at) == whole[5 * at :]


def test_schedules_by_epoch_count_epochs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    fresh = FreshSchedule(optimizer, [ExponentialLR(optimizer, gamma=0.5)])
    fresh.replay(Position(epoch=3, iteration=70, batch_in_epoch=0))
    assert optimizer.param_groups[0]['lr'] == 0.125
