"""A run on files becomes one on shards by three overrides, and resumes exactly."""

from pathlib import Path

import pytest

from cmae_mm.checkpoints import load_run
from tests.helpers.process import run_here
from tests.helpers.runs import EPOCHS, ITERATIONS, config, differences, state, train
from tests.helpers.shards import serve, write_shards

ROOT = Path(__file__).parents[2]


def on_shards(folder, work_dir, train_cfg=EPOCHS, workers=0, root=None, **options):
    """The tiny run of the helpers, on shards."""
    cfg = config(folder, work_dir, train_cfg, workers, **options)
    cfg.train_dataloader.dataset.update(
        type='ShardDataset', data_root=str(root or folder / 'shards')
    )
    cfg.train_dataloader.sampler.update(type='ShardSampler', lanes=2)
    return cfg


@pytest.mark.parametrize('train_cfg, kill_at', [(EPOCHS, 4), (ITERATIONS, 7)])
def test_resume_is_exact_whatever_the_number_of_workers(tmp_path, train_cfg, kill_at):
    write_shards(tmp_path, num=7)
    train(on_shards(tmp_path, 'whole', train_cfg))
    train(on_shards(tmp_path, 'parts', train_cfg, workers=2), kill_at)
    runner = train(on_shards(tmp_path, 'parts', train_cfg, resume=True))
    assert runner.iter == 9
    whole, parts = (state(tmp_path / name / 'iter_9.pth') for name in ('whole', 'parts'))
    assert len(whole) > 100 and differences(whole, parts) == []


def test_a_server_gives_what_a_disk_gives(tmp_path):
    pytest.importorskip('aiohttp')  # fsspec reads http by it
    write_shards(tmp_path, num=7)
    train(on_shards(tmp_path, 'disk'))
    with serve(tmp_path / 'shards') as server:
        cfg = on_shards(tmp_path, 'server', workers=2, root=server.url)
        cfg.train_dataloader.dataset.cache_dir = str(tmp_path / 'cache')
        train(cfg)
    disk, remote = (state(tmp_path / name / 'iter_9.pth') for name in ('disk', 'server'))
    assert differences(disk, remote) == []


def test_broken_members_are_counted_by_the_run(tmp_path):
    shards = write_shards(tmp_path, num=12)
    path = shards / '000000.tar'
    content = bytearray(path.read_bytes())
    content[512:600] = bytes(88)  # of the first image
    path.write_bytes(content)
    cfg = on_shards(tmp_path, 'run')
    cfg.custom_hooks.append(dict(type='SkippedImagesHook', max_share=0.1))
    runner = train(cfg)
    assert runner.message_hub.get_scalar('train/skipped_images').current() == 3  # once an epoch
    lines = (tmp_path / 'run' / 'skipped_images.rank0.txt').read_text().splitlines()
    assert {line.split('\t')[0].split('/')[0] for line in lines} == {'000000.tar'}


@pytest.mark.parametrize(
    'name', ['cmae/cmae_vit-tiny-p4_cifar10.py', 'mae/mae_vit-tiny-p4_cifar10.py']
)
def test_a_config_of_the_project_trains_from_shards_by_overrides(tmp_path, name):
    shards = write_shards(tmp_path, num=8)
    shards.rename(tmp_path / 'train')  # the prefix of this config
    run_here(
        'train.py', ROOT / 'configs' / name, '--work-dir', tmp_path / 'run', '--cfg-options',
        'train_dataloader.dataset.type=ShardDataset',
        f'train_dataloader.dataset.data_root={tmp_path}',
        'train_dataloader.sampler.type=ShardSampler',
        'train_dataloader.batch_size=4', 'train_dataloader.num_workers=0',
        'model.backbone.arch.num_layers=1', 'train_cfg.max_epochs=1',
        'default_hooks.checkpoint.interval=1',
    )  # fmt: skip
    assert load_run(tmp_path / 'run' / 'epoch_1.pth')['meta']['iter'] == 2
