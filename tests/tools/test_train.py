"""tools/train.py and tools/dist_train.sh on real files, in real processes."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from cmae_mm.checkpoints import load_state_dict
from tests.helpers.files import remove_logs, write_images
from tests.helpers.process import run_here, run_process

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/cmae/cmae_vit-tiny-p4_cifar10.py'
SMALL = [
    'model.backbone.arch.num_layers=1',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_cfg.max_epochs=1',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.interval=1',
]


def run(command, tmp_path, *options):
    images = tmp_path / 'images'
    if not images.exists():
        write_images(images / 'train', num=8, name='{}/a.jpg')
    command = [*command, '--work-dir', tmp_path / 'run', '--cfg-options', *SMALL]
    return run_process(*command, f'train_dataloader.dataset.data_root={images}', *options)


def train(tmp_path, *options, arguments=()):
    return run([sys.executable, 'tools/train.py', CONFIG, *arguments], tmp_path, *options)


def scalars(tmp_path):
    log = next((tmp_path / 'run').glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_trains_and_logs_what_a_user_looks_for(tmp_path, tool):
    steps = tool()
    assert len(steps) == 2
    assert {'loss', 'loss_rc', 'loss_ct', 'momentum', 'images_per_s', 'lr'} <= steps[-1].keys()
    tensors = load_state_dict(tmp_path / 'run' / 'epoch_1.pth')
    assert any(name.startswith('target_projector.') for name in tensors)


def test_trains_on_two_cpu_ranks(tmp_path):
    process = run(['tools/dist_train.sh', CONFIG, '2'], tmp_path)
    assert process.returncode == 0, process.stderr[-2000:]
    assert '2 processes on the CPU, joined by gloo' in process.stdout
    assert len(scalars(tmp_path)) == 1  # 8 images, 2 ranks, batches of 4
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()


def test_two_ranks_report_an_error_once(tmp_path):
    process = run(['tools/dist_train.sh', CONFIG, '2'], tmp_path, 'train_dataloader.batch_size=0')
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    # the launcher may end one before it comes to its own error
    assert re.match(r'error: (all 2 ranks|rank [01]): batch_size should be a positive', line)
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert f'{log.name})' in line and 'Traceback' in log.read_text()


@pytest.mark.parametrize(
    'options, message',
    [
        (['model.backbone.mask_ration=0.5'], "unexpected keyword argument 'mask_ration'"),
        (['train_dataloader.batch_size=64'], '8 images are fewer than one batch of 64'),
        (['train_cfg.max_epochs=-1'], 'train_cfg says -2 iterations'),
        (['train_dataloader.dataset.pipeline.3.max_shift=9'], 'needs 41x41'),
        (['load_from=LICENSE'], "'LICENSE' is not a checkpoint"),
    ],
)
def test_bad_input_is_one_line_and_its_traceback_is_in_the_log(tmp_path, tool, options, message):
    with pytest.raises(SystemExit) as stopped:
        tool(options=options)
    (line,) = stopped.value.code.splitlines()
    assert line.startswith('error: ') and message in line
    logs = list((tmp_path / 'run').glob('*/*.log'))
    assert any('Traceback' in log.read_text() for log in logs) or 'CMAE_MM_TRACEBACK' in line


def test_an_error_ends_the_process_with_a_line_and_status_one(tmp_path):
    process = train(tmp_path, 'train_dataloader.batch_size=64')
    assert process.returncode == 1 and 'Traceback' not in process.stderr
    assert process.stderr.splitlines()[-1].startswith('error: 8 images are fewer than one batch')


@pytest.fixture
def tool(tmp_path):
    """tools/train.py on eight images, in this process; returns the logged scalars."""
    write_images(tmp_path / 'images' / 'train', num=8, name='{}/a.jpg')

    def run(*arguments, config=CONFIG, images='images', work_dir='run', options=()):
        data = f'train_dataloader.dataset.data_root={tmp_path / images}'
        run_here(
            'train.py', ROOT / config, '--work-dir', tmp_path / work_dir, *arguments,
            '--cfg-options', *SMALL, data, *options,
        )  # fmt: skip
        logs = sorted((tmp_path / work_dir).glob('*/vis_data/scalars.json'))
        return [json.loads(line) for line in logs[-1].read_text().splitlines()]

    return run


def log_of(folder):
    return sorted(folder.glob('*/*.log'))[-1].read_text()


CONSTANT = 'param_scheduler=None'


def test_auto_scale_lr_follows_the_batch(tool):
    assert {step['lr'] for step in tool(options=[CONSTANT])} == {1e-3}
    scaled = tool('--auto-scale-lr', work_dir='scaled', options=[CONSTANT])
    assert {step['lr'] for step in scaled} == {1e-3 * 4 / 128}


def test_amp_asks_for_mixed_precision(tool, tmp_path):
    config = tmp_path / 'in_float32.py'
    config.write_text(f"_base_ = '{ROOT / CONFIG}'\noptim_wrapper = dict(dtype='float32')\n")
    tool(config=config, options=[CONSTANT])
    assert 'precision: float32\n' in log_of(tmp_path / 'run')
    tool('--amp', config=config, work_dir='amp')
    assert 'precision: float32\n' not in log_of(tmp_path / 'amp')
    assert Config.fromfile(tmp_path / 'amp' / config.name).optim_wrapper.dtype == 'float16'


def test_resume_goes_on_where_a_checkpoint_ends(tool, tmp_path):
    first = tool(options=['train_cfg.max_epochs=2'])
    assert [step['step'] for step in first] == [1, 2, 3, 4]
    path = tmp_path / 'run' / 'epoch_1.pth'
    resumed = tool('--resume', path, work_dir='other', options=['train_cfg.max_epochs=2'])
    assert [step['step'] for step in resumed] == [3, 4]
    assert 'resumed epoch: 1, iter: 2' in log_of(tmp_path / 'other')
    remove_logs(tmp_path / 'run')
    newest = tool('--resume', options=['train_cfg.max_epochs=3'])
    assert [step['step'] for step in newest] == [5, 6]


@pytest.mark.parametrize('path', [[], ['epoch_1.pth']], ids=['newest', 'path'])
def test_resume_refuses_a_checkpoint_of_another_model(tool, tmp_path, path):
    tool()
    path = [tmp_path / 'run' / name for name in path]
    with pytest.raises(SystemExit, match='another program or model: .*unexpected: target_back'):
        tool('--resume', *path, options=['model.target.final_norm=False'])


def test_load_from_says_what_it_loaded(tool, tmp_path):
    tool()
    path = tmp_path / 'run' / 'epoch_1.pth'
    steps = tool(work_dir='next', options=[f'load_from={path}', 'train_cfg.max_epochs=2'])
    log = log_of(tmp_path / 'next')
    (line,) = [line for line in log.splitlines() if 'tensors loaded' in line]
    assert f'{path}: backbone 18/18, pixel_decoder ' in line and 'not used' not in line
    assert 'missing keys' not in log and 'unexpected key' not in log
    assert [step['step'] for step in steps] == [1, 2, 3, 4]


def test_nothing_in_what_a_run_starts_from_is_executed(tool, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'executed'),)

    torch.save({'state_dict': {}, 'meta': Attack()}, tmp_path / 'evil.pth')
    with pytest.raises(SystemExit, match='refused'):
        tool(options=[f'load_from={tmp_path / "evil.pth"}'])
    assert not (tmp_path / 'executed').exists()


def test_a_cut_schedule_is_warned_of(tool, tmp_path):
    tool()
    assert 'training ends after 1 epochs, before its learning rate' in log_of(tmp_path / 'run')


@pytest.mark.parametrize('arguments, validations', [((), 1), (('--no-validate',), 0)])
def test_no_validate(tool, tmp_path, arguments, validations):
    for split in ('train', 'test'):
        for name in ('a', 'b'):
            write_images(tmp_path / 'classes' / split / name, num=4)
    steps = tool(
        *arguments,
        images='classes',
        config='configs/benchmarks/classification/quickstart.py',
        options=[
            'model.backbone.init_cfg=None',
            'model.backbone.arch.num_layers=1',
            'model.head.num_classes=2',
            'train_dataloader.dataset.indices=8',
            'train_cfg.val_interval=1',
            f'val_dataloader.dataset.data_root={tmp_path / "classes"}',
            'val_dataloader.num_workers=0',
        ],
    )
    assert sum('accuracy/top1' in step for step in steps) == validations
