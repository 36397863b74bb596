"""A run counts the images that it can't read, and ends if they are too many."""

import os

import pytest
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import load_run
from cmae_mm.engine import SkippedImagesHook
from tests.helpers.files import write_images
from tests.helpers.process import become_rank, fork_ranks, free_port
from tests.helpers.runs import EPOCHS, config


def run(folder, max_share, bad=('b.jpg',), workers=1):
    """Train on 24 images of which some can't be read."""
    write_images(folder / 'images', num=24 - len(bad))
    for name in bad:
        (folder / 'images' / name).write_text('no image')
    cfg = config(folder, 'run', EPOCHS, workers)
    cfg.log_level = 'INFO'
    cfg.custom_hooks.append(dict(type='SkippedImagesHook', max_share=max_share))
    runner = RUNNERS.build(cfg)
    runner.train()
    return runner


def test_few_are_counted_and_training_goes_on(tmp_path, capfd):
    runner = run(tmp_path, max_share=0.05)  # 1 in 24
    assert runner.iter == 36
    assert runner.message_hub.get_scalar('train/skipped_images').current() == 3  # once an epoch
    lines = (tmp_path / 'run' / 'skipped_images.rank0.txt').read_text().splitlines()
    assert len(lines) >= 3 and all('b.jpg\tnot an image' in line for line in lines)
    out = capfd.readouterr().out
    assert 'skipped_images: ' in out and '3 samples of rank 0 got another image' in out


def test_a_name_that_is_no_text_is_listed(tmp_path):
    run(tmp_path, max_share=0.05, bad=(os.fsdecode(b'caf\xe9.jpg'),), workers=0)
    lines = (tmp_path / 'run' / 'skipped_images.rank0.txt').read_text().splitlines()
    assert all('caf\\udce9.jpg\tnot an image' in line for line in lines)


@pytest.mark.parametrize('workers', [0, 1])
def test_too_many_end_the_run_with_a_checkpoint(tmp_path, workers):
    with pytest.raises(ValueError, match='the images of 1 of .*more than 1.00% of the 24'):
        run(tmp_path, max_share=0.01, workers=workers)
    checkpoint = load_run(tmp_path / 'run' / 'interrupted.pth')
    assert checkpoint['meta']['iter'] <= 12  # all images were seen once


def train_a_rank(rank, port, cfg):
    become_rank(rank, port, cfg)
    runner = RUNNERS.build(cfg)
    error = ValueError('a stop') if rank == 1 else None
    runner.stop_error = error
    expected = (ValueError, 'a stop') if error else (RuntimeError, 'another rank has ended')
    with pytest.raises(expected[0], match=expected[1]):
        runner.train()
    assert runner.iter < 9


def test_what_one_rank_asks_for_ends_all(tmp_path):
    write_images(tmp_path / 'images', num=11)
    fork_ranks(train_a_rank, 2, free_port(), config(tmp_path, 'run', EPOCHS))
    assert load_run(tmp_path / 'run' / 'interrupted.pth')['meta']['iter'] == 2


def count_on_a_rank(rank, port, cfg):
    become_rank(rank, port, cfg)
    runner = RUNNERS.build(cfg)
    runner.train()
    assert runner.message_hub.get_scalar('train/skipped_images').current() == 3


def test_all_ranks_count_together(tmp_path):
    """One bad image in 12 is one in 6 for its rank, and 1 in 12 for all."""
    write_images(tmp_path / 'images', num=11)
    (tmp_path / 'images' / 'b.jpg').write_text('no image')
    cfg = config(tmp_path, 'run', EPOCHS)
    cfg.custom_hooks.append(dict(type='SkippedImagesHook', max_share=0.1))
    fork_ranks(count_on_a_rank, 2, free_port(), cfg)


def test_a_share_is_between_none_and_all():
    with pytest.raises(ValueError, match='max_share=1.5 is not in'):
        SkippedImagesHook(1.5)
