"""The built wheel in an environment of its own, outside the checkout."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import mmengine
import pytest
import torch

from tests.helpers.files import write_images

ROOT = Path(__file__).parents[1]
PRETRAIN = """
_base_ = 'cmae_mm::cmae/cmae_vit-tiny-p4_cifar10.py'
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(data_root='images')
)
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
"""
FINE_TUNE = """
_base_ = 'cmae_mm::benchmarks/classification/vit-tiny-p4_cifar10.py'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint='work_dirs/pretrain/epoch_1.pth')),
    head=dict(num_classes=2),
)
few = dict(batch_size=2, num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(data_root='images'), **few)
val_dataloader = dict(dataset=dict(data_root='images'), **few)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
"""


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('PYTHON', 'COV'))}
    environment['OMP_NUM_THREADS'] = '1'
    process = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    return process.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Builds it from the source distribution, as a package index would get both."""
    folder = tmp_path_factory.mktemp('build')
    leave_out = shutil.ignore_patterns('.*', '*.egg-info', 'build', 'data', 'docs', 'work_dirs')
    shutil.copytree(ROOT, folder / 'checkout', ignore=leave_out)
    code = f'import setuptools.build_meta as backend; backend.build_sdist({str(folder)!r})'
    run(sys.executable, '-c', code, cwd=folder / 'checkout')
    (source,) = folder.glob('*.tar.gz')
    options = ('--no-deps', '--no-build-isolation', '--wheel-dir', folder)
    run(sys.executable, '-m', 'pip', 'wheel', *options, source, cwd=folder)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory):
    """The interpreter of an environment with the wheel, which sees this one's packages."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder)
    python = folder / 'bin' / 'python'
    packages = next(folder.glob('lib/python*/site-packages'))
    hosts = Path(torch.__file__).parents[1]
    assert hosts == Path(mmengine.__file__).parents[1]
    # editable packages of that environment, such as this checkout, are not seen through it
    (packages / 'hosts.pth').write_text(f'{hosts}\n')
    install = (sys.executable, '-m', 'pip', '--python', python, 'install', '--no-index')
    run(*install, '--no-deps', wheel, cwd=folder)
    return python


@pytest.mark.slow
def test_the_wheel_trains_evaluates_and_fine_tunes_outside_the_checkout(python, tmp_path):
    for split in ('train', 'test'):
        for name in ('one', 'two'):
            write_images(tmp_path / 'images' / split / name, num=2, size=(36, 36))
    (tmp_path / 'pretrain.py').write_text(PRETRAIN)
    (tmp_path / 'fine_tune.py').write_text(FINE_TUNE)
    tool = (python, '-m', 'cmae_mm')
    where = run(python, '-c', 'import cmae_mm.collection as c; print(c.ROOT)', cwd=tmp_path)
    assert (
        where.strip() == f'{next(python.parents[1].glob("lib/python*"))}/site-packages/cmae_mm/.mim'
    )

    assert '[1][2/2]' in run(*tool, 'train', 'pretrain.py', '--verbose', cwd=tmp_path)
    checkpoint = 'work_dirs/pretrain/epoch_1.pth'
    folders = ('--train', 'images/train', '--test', 'images/test', '--workers', 0)
    # by the name of the package's own config
    config = 'cmae_mm::cmae/cmae_vit-tiny-p4_cifar10.py'
    assert 'linear probe' in run(*tool, 'evaluate', config, checkpoint, *folders, cwd=tmp_path)
    fine_tuned = run(*tool, 'train', 'fine_tune.py', '--verbose', cwd=tmp_path)
    assert '[1][2/2]' in fine_tuned and 'accuracy/top1' in fine_tuned


@pytest.mark.slow
def test_the_wheel_holds_what_its_tools_call(python):
    (mim,) = python.parents[1].glob('lib/python*/site-packages/cmae_mm/.mim')
    assert os.access(mim / 'tools' / 'dist_launch.sh', os.X_OK)  # by dist_train.sh
    assert {path.relative_to(ROOT) for path in (ROOT / 'configs').rglob('*.py')} == {
        path.relative_to(mim) for path in (mim / 'configs').rglob('*.py')
    }
    assert not (mim / 'tools' / 'benchmarks').exists()
    assert (mim / 'model-index.yml').exists() == (ROOT / 'model-index.yml').exists()
