"""Steps whose numbers are not finite are left out."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import load_run, unwrap
from cmae_mm.compat import within
from cmae_mm.engine import FiniteHook
from tests.helpers.files import write_images
from tests.helpers.process import become_rank, fork_ranks, free_port
from tests.helpers.runs import EPOCHS, config, differences, state

NEW_TORCH = not within(torch.__version__, '<2.4')  # fused AdamW and loss scales on CPUs


class PoisonHook(Hook):
    """Makes the loss, or a gradient, of some iterations NaN, and keeps what is before and after.

    Args:
        at: iterations, from 0.
        what: 'loss' alone, with finite gradients; 'gradient' of one parameter alone; 'both'.
    """

    priority = 'VERY_HIGH'

    def __init__(self, at, what='both'):
        self.at, self.what, self.active = set(at), what, False
        self.changed = {}

    def before_train(self, runner):
        model = unwrap(runner.model)
        parse_losses = model.parse_losses

        def parse(losses):
            total, logged = parse_losses(losses)
            if self.active and self.what in ('loss', 'both'):
                total = total + torch.nan if self.what == 'loss' else total * torch.nan
            return total, logged

        model.parse_losses = parse
        model.backbone.layers[0].ln1.bias.register_hook(
            lambda g: g * torch.nan if self.active and self.what == 'gradient' else g
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.active = runner.iter in self.at
        self.before = snapshot(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        after = snapshot(runner)
        new = after.keys() - self.before.keys()  # the first step's state
        self.changed[runner.iter] = [
            *new,
            *(name for name in self.before if not self.before[name].equal(after[name])),
        ]


def snapshot(runner):
    """Weights, statistics and optimiser, but for the target, which follows by itself."""
    model = {
        name: tensor.clone()
        for name, tensor in unwrap(runner.model).state_dict().items()
        if not name.startswith('target')
    }
    states = runner.optim_wrapper.optimizer.state
    tensors = [t for state in states.values() for t in state.values()]
    return {**model, **{f'state {index}': t.clone() for index, t in enumerate(tensors)}}


def poisoned(cfg, at, what='both', scaled=False):
    runner = RUNNERS.build(cfg)
    poison = PoisonHook(at, what)
    runner.register_hook(poison)
    if scaled:
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.optim_wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    runner.train()
    return runner, poison


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / 'images', num=7)
    return tmp_path


OPTIMISERS = {
    'adamw': dict(type='AdamW', lr=1e-2),
    'sgd': dict(type='SGD', lr=1e-2, momentum=0.9),
    'fused': dict(type='AdamW', lr=1e-2, fused=True),
    'scaled': dict(type='AdamW', lr=1e-2),
}


@pytest.mark.parametrize('what', ['loss', 'gradient', 'both'])
@pytest.mark.parametrize('optimiser', OPTIMISERS)
def test_a_step_that_is_not_finite_changes_nothing(folder, optimiser, what, capfd):
    if optimiser in ('fused', 'scaled') and not NEW_TORCH:
        pytest.skip('not on CPUs in this torch')
    cfg = config(folder, 'run', EPOCHS)
    cfg.log_level = 'WARNING'
    cfg.optim_wrapper.optimizer = OPTIMISERS[optimiser]
    if optimiser == 'scaled':
        cfg.model.micro_batch = 1
    runner, poison = poisoned(cfg, [3, 7], what, scaled=optimiser == 'scaled')
    assert [step for step, names in poison.changed.items() if not names] == [3, 7]
    assert all(len(names) > 100 for step, names in poison.changed.items() if step not in (3, 7))
    assert runner.message_hub.get_scalar('train/skipped_steps').current() == 2
    reason = 'the gradients, or' if what == 'gradient' else 'the loss is not finite'
    assert f'iteration 4: {reason}' in capfd.readouterr().out
    if optimiser == 'scaled':  # a static scale would stay
        assert runner.optim_wrapper.loss_scaler.get_scale() == 1.0
    assert not hasattr(runner.optim_wrapper.optimizer, 'found_inf')


def test_finite_steps_are_made_as_without_the_hook(folder):
    runner, _ = poisoned(config(folder, 'with', EPOCHS), [])
    assert 'train/skipped_steps' not in runner.message_hub.log_scalars
    assert not list((folder / 'with').glob('nonfinite*'))
    without = RUNNERS.build(config(folder, 'without', EPOCHS))
    without._hooks = [hook for hook in without.hooks if not isinstance(hook, FiniteHook)]
    without.train()
    assert differences(*(state(folder / n / 'iter_9.pth') for n in ('with', 'without'))) == []


def test_accumulated_gradients_of_a_bad_batch_are_left_out(folder):
    cfg = config(folder, 'run', EPOCHS)
    cfg.optim_wrapper.accumulative_counts = 3
    _, poison = poisoned(cfg, [4])
    weights = [any(name.endswith('.weight') for name in poison.changed[i]) for i in range(9)]
    assert weights == [False, False, True, False, False, False, False, False, True]
    listed = (folder / 'run' / 'nonfinite_steps.rank0.txt').read_text().splitlines()
    assert len(listed) == 6 and all(line.startswith('iteration 6: ') for line in listed)


def test_too_many_in_a_row_end_the_run_with_the_weights_from_before(folder):
    cfg = config(folder, 'run', EPOCHS)
    cfg.default_hooks.checkpoint.interval = 3
    cfg.default_hooks.checkpoint.max_keep_ckpts = -1
    cfg.custom_hooks.append(dict(type='FiniteHook', patience=3))
    with pytest.raises(FloatingPointError, match='3 steps in a row, up to iteration 8: .*--resume'):
        poisoned(cfg, [2, 5, 6, 7, 8])
    after = load_run(folder / 'run' / 'interrupted.pth')
    assert after['meta']['iter'] == 8
    assert all(tensor.isfinite().all() for tensor in after['state_dict'].values())
    cfg.resume = True
    runner, poison = poisoned(cfg, [])
    assert list(poison.changed) == [8] and len(poison.changed[8]) > 100
    assert runner.message_hub.get_scalar('train/skipped_steps').current() == 4


def test_the_images_of_the_batch_are_listed(folder):
    cfg = config(folder, 'run', EPOCHS, workers=2)
    seen = []

    class Watch(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 4:
                seen.extend(runner.train_loop.indices)

    runner = RUNNERS.build(cfg)
    runner.register_hook(PoisonHook([4]))
    runner.register_hook(Watch())
    runner.train()
    # epoch 1, second batch, in the sampler's own order
    sampler = runner.train_dataloader.batch_sampler.sampler
    sampler.set_epoch(1)
    assert seen == list(sampler)[2:4]
    paths = [runner.train_dataloader.dataset.get_data_info(int(i))['img_path'] for i in seen]
    listed = (folder / 'run' / 'nonfinite_steps.rank0.txt').read_text().splitlines()
    assert listed == [f'iteration 5: {path}' for path in paths]


def train_a_rank(rank, port, cfg, poisoned_rank, what):
    become_rank(rank, port, cfg)
    _, poison = poisoned(cfg, [4] if rank == poisoned_rank else [], what)
    assert [step for step, names in poison.changed.items() if not names] == [4]


def test_one_ranks_loss_lets_all_leave_the_step_out(folder):
    write_images(folder / 'images', num=11)
    fork_ranks(train_a_rank, 2, free_port(), config(folder, 'run', EPOCHS), 1, 'loss')
    files = [(folder / 'run' / f'nonfinite_steps.rank{rank}.txt').read_text() for rank in (0, 1)]
    assert all(text.count('iteration 5: ') == 2 for text in files) and files[0] != files[1]


@pytest.mark.parametrize('field', ['patience', 'check_interval'])
def test_less_than_one_step_is_an_error(field):
    with pytest.raises(ValueError, match=f'{field}=0.*at least 1'):
        FiniteHook(**{field: 0})
