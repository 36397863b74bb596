import math

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from cmae_mm.engine import MomentumUpdateHook
from tests.helpers.files import PIPELINE, write_images
from tests.helpers.tiny import tiny_config


def test_constant_and_scheduled_momentum():
    constant, scheduled = MomentumUpdateHook(0.99), MomentumUpdateHook(0.9, end_momentum=1.0)
    assert [constant.momentum_at(i, 10) for i in (0, 5, 10)] == [0.99] * 3
    assert scheduled.momentum_at(0, 10) == pytest.approx(0.9)
    assert scheduled.momentum_at(5, 10) == pytest.approx(0.95)
    assert scheduled.momentum_at(10, 10) == pytest.approx(1.0)
    expected = 1 - 0.1 * (1 + math.cos(math.pi * 0.2)) / 2
    assert scheduled.momentum_at(2, 10) == pytest.approx(expected)


@pytest.mark.parametrize('values', [(1.1,), (0.9, -0.1)])
def test_momentum_outside_its_range_is_an_error(values):
    with pytest.raises(ValueError, match='is not in'):
        MomentumUpdateHook(*values)


def run(tmp_path, work_dir, max_epochs, resume=False, accumulate=1):
    """Train the tiny model on real files through the real Runner."""
    root = tmp_path / 'images'
    if not root.exists():
        write_images(root, num=8)
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=tiny_config(),
            work_dir=str(tmp_path / work_dir),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                sampler=dict(type='SeededSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
                dataset=dict(type='PretrainDataset', data_root=str(root), pipeline=PIPELINE),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
            optim_wrapper=dict(
                accumulative_counts=accumulate,
                constructor='PretrainOptimWrapperConstructor',
                optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1),
                paramwise_cfg=dict(norm_decay_mult=0.0),
            ),
            custom_hooks=[dict(type='MomentumUpdateHook', momentum=0.5, end_momentum=1.0)],
            randomness=dict(seed=0),
            resume=resume,
            log_level='ERROR',
        )
    )
    runner = RUNNERS.build(cfg)
    seen = []
    update = runner.model.update_target
    runner.model.update_target = lambda momentum: (seen.append(momentum), update(momentum))
    runner.train()
    return runner, seen[1:]  # the first call copies the online encoder


def test_the_target_follows_the_stepped_encoder(tmp_path):
    runner, seen = run(tmp_path, 'a', max_epochs=1)
    assert seen == pytest.approx([0.5, 0.75])  # iterations 0 and 1 of 2
    history = runner.message_hub.get_scalar('train/momentum')
    assert history.current() == pytest.approx(0.75)
    online = runner.model.backbone.layers[0].attn.qkv.weight
    target = runner.model.target_backbone.layers[0].attn.qkv.weight
    assert not target.equal(online)


def test_with_accumulated_gradients_the_target_moves_with_the_optimiser(tmp_path):
    _, seen = run(tmp_path, 'b', max_epochs=2, accumulate=2)
    assert len(seen) == 2


def test_target_and_momentum_are_restored(tmp_path):
    runner, seen = run(tmp_path, 'c', max_epochs=2)
    saved = {k: v.clone() for k, v in runner.model.state_dict().items()}
    resumed, seen = run(tmp_path, 'c', max_epochs=3, resume=True)
    assert seen == pytest.approx([MomentumUpdateHook(0.5, 1.0).momentum_at(i, 6) for i in (4, 5)])
    # what was restored is what was saved, before two more updates
    resumed.load_checkpoint(str(tmp_path / 'c' / 'epoch_2.pth'))
    for name, tensor in resumed.model.state_dict().items():
        assert tensor.equal(saved[name]), name
