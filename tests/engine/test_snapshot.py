import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from cmae_mm.engine.snapshot import Snapshots, sizes_of
from tests.helpers.files import write_images
from tests.helpers.runs import EPOCHS, config


def content(seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    model.append(model[0])  # tied
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    empty = [torch.zeros(0), torch.zeros(0)]
    return dict(model=model.state_dict(), optimizer=optimizer.state_dict(), epoch=3, empty=empty)


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [t for item in items if isinstance(item, (dict, list, torch.Tensor)) for t in flat(item)]


def test_a_copy_is_equal_and_does_not_change_with_the_original():
    original = content()
    copied = Snapshots().take(original)
    pairs = list(zip(flat(original), flat(copied)))
    assert len(pairs) > 15 and all(a.equal(b) and a is not b for a, b in pairs)
    before = [b.clone() for _, b in pairs]
    for a, _ in pairs:
        a.add_(1)
    assert all(b.equal(old) for (_, b), old in zip(pairs, before))
    assert copied['epoch'] == 3 and copied['model']._metadata == original['model']._metadata
    original['optimizer']['param_groups'][0]['lr'] = 7
    assert copied['optimizer']['param_groups'][0]['lr'] == 1e-3


def test_tied_tensors_stay_tied():
    copied = Snapshots().take(content())['model']
    assert copied['0.weight'].data_ptr() == copied['2.weight'].data_ptr()


def test_memory_is_used_again_and_that_which_was_reserved():
    snapshots = Snapshots()
    snapshots.reserve(sizes_of(content()))
    reserved = [tensor.data_ptr() for tensor in snapshots.memory if tensor.numel()]
    for seed in (1, 2):
        copied = snapshots.take(content(seed))
        used = {tensor.data_ptr() for tensor in flat(copied) if tensor.numel()}
        assert used == set(reserved)
        assert all(a.equal(b) for a, b in zip(flat(content(seed)), flat(copied)))


class SeeMemoryHook(Hook):
    """Looks whether there is memory for a checkpoint before one is due."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in (0, 2):
            runner.writer.wait()
            self.seen = [*getattr(self, 'seen', []), sum(map(torch.numel, runner.snapshots.memory))]


def test_a_run_gets_the_memory_before_its_first_checkpoint(tmp_path):
    write_images(tmp_path / 'images', num=7)
    cfg = config(tmp_path, 'run', EPOCHS)
    cfg.default_hooks.checkpoint.interval = 9
    runner, hook = RUNNERS.build(cfg), SeeMemoryHook()
    runner.register_hook(hook)
    runner.train()
    trained = sum(p.numel() for p in runner.model.parameters() if p.requires_grad)
    assert hook.seen[0] == 0 and hook.seen[1] > 3 * trained  # weights and AdamW's two averages
    assert hook.seen[1] == sum(map(torch.numel, runner.snapshots.memory))


def test_other_sizes_get_other_memory():
    snapshots = Snapshots()
    snapshots.take([torch.zeros(3), torch.zeros(2, 2)])
    value = [torch.ones(4), torch.ones(2, 2, dtype=torch.int64), torch.ones(1)]
    copied = snapshots.take(value)
    assert all(a.equal(b) and a.dtype == b.dtype for a, b in zip(value, copied))
