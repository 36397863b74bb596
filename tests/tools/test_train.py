"""tools/train.py and tools/dist_train.sh on real files, in real processes."""

import json
import sys
from pathlib import Path

import pytest

from cmae_mm.engine.checkpoint import load_state_dict

from ..datasets.files import write_images
from .process import run_process

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


def test_trains_and_logs_what_a_user_looks_for(tmp_path):
    process = train(tmp_path)
    assert process.returncode == 0, process.stderr
    steps = scalars(tmp_path)
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


@pytest.mark.parametrize(
    'options, message',
    [
        (['model.backbone.mask_ration=0.5'], "unexpected keyword argument 'mask_ration'"),
        (['train_dataloader.batch_size=64'], '8 images are fewer than one batch of 64'),
        (['train_dataloader.dataset.pipeline.3.max_shift=9'], 'needs 41x41'),
        (['load_from=LICENSE'], "'LICENSE' is no checkpoint"),
    ],
)
def test_bad_input_is_one_line_and_its_traceback_is_in_the_log(tmp_path, options, message):
    process = train(tmp_path, *options)
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith('error: ') and message in last
    assert 'Traceback' not in process.stderr
    logs = list((tmp_path / 'run').glob('*/*.log'))
    assert any('Traceback' in log.read_text() for log in logs) or 'CMAE_MM_TRACEBACK' in last
