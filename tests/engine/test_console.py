"""What is printed while a run goes, and what its log file has."""

import contextlib
import multiprocessing
import os
import re
import sys
import warnings

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from cmae_mm.engine.console import fit
from tests.helpers.files import write_images
from tests.helpers.process import ROOT, process_here, run_here

CONFIG = ROOT / 'configs/cmae/cmae_vit-tiny-p4_cifar10.py'
SMALL = [
    'model.backbone.arch.num_layers=1',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_cfg.max_epochs=2',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.interval=1',
]


@HOOKS.register_module()
class TalkingHook(Hook):
    """Of a user: logs, warns and measures; fails, if it is to."""

    def __init__(self, fail_at=None):
        self.fail_at = fail_at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.fail_at:
            raise ValueError('not the second step')

    def after_train_epoch(self, runner):
        runner.logger.info('a remark of the user')
        warnings.warn('a warning of the user', stacklevel=1)
        runner.message_hub.update_scalar('train/probe/knn', 70.0 + runner.epoch)
        runner.message_hub.update_scalar('train/probe/time', 1.5)


@pytest.fixture
def arguments(tmp_path):
    write_images(tmp_path / 'images' / 'train', num=8, name='{}/a.jpg')
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = '{CONFIG}'\ncustom_hooks = [dict(type='mmengine.TalkingHook')]\n")
    data = f'train_dataloader.dataset.data_root={tmp_path / "images"}'
    return [config, '--work-dir', tmp_path / 'run', '--cfg-options', *SMALL, data]


def log_of(folder):
    (log,) = (folder / 'run').glob('*/*.log')
    return log.read_text()


def test_a_few_lines_for_people_and_everything_in_the_log_file(tmp_path, arguments):
    process = process_here('train.py', *arguments)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    before = next(index for index, line in enumerate(lines) if line.startswith('1/4 '))
    assert before < 15
    assert lines[0].startswith('Training ')
    assert [line for line in lines if line.startswith('warning: training ends after 2 epochs')]
    names = {line.split()[0]: line for line in lines if re.match(r'\w+  ', line)}
    assert 'CMAE ' in names['model'] and 'encoder CMAEViT ' in names['model']
    assert names['images'].split()[1:] == ['8', 'in', str(tmp_path / 'images' / 'train')]
    assert '2 epochs of 2 steps, 4 images per step' in names['steps']
    assert str(tmp_path / 'run') in names['folder']
    assert names['saved'].endswith('run/epoch_2.pth') and names['log'].endswith('.log')
    assert 'evaluate_features.py' in names['next']
    assert lines.count('a remark of the user') == 2
    assert any('warning: UserWarning: a warning of the user' in line for line in lines)
    assert [line for line in lines if line.startswith('probe')] == [
        'probe, epoch 1: knn 70 (1.5 s)',
        'probe, epoch 2: knn 71 (1.5 s)',
    ]
    assert '\r' not in process.stdout + process.stderr and '\x1b' not in process.stdout
    log = log_of(tmp_path)
    for words in (
        'System environment:', 'Config:', 'Hooks will be executed', 'Epoch(train) ',
        'a remark of the user', 'a warning of the user', 'Saving checkpoint',
    ):  # fmt: skip
        assert words in log
        assert (words in process.stdout) == words.startswith('a ')


def test_verbose_brings_the_rest(tmp_path, arguments):
    process = process_here('train.py', arguments[0], '--verbose', *arguments[1:])
    for words in ('System environment:', 'Config:', 'Hooks will be executed', 'Epoch(train)'):
        assert words in process.stdout
    assert '\nmodel  ' not in process.stdout


def on_terminal(terminal, environment, arguments):
    """tools/train.py in this process, whose output goes to a terminal."""
    descriptor = os.open(terminal, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.environ.update(environment)
    os.chdir(ROOT)
    run_here('train.py', *arguments)


@pytest.fixture
def on_a_terminal(arguments):
    """Runs tools/train.py in a process on a terminal of 80 columns; returns what it wrote."""

    def run(*options, **environment):
        reading, terminal = os.openpty()
        context = multiprocessing.get_context('forkserver')
        process = context.Process(
            target=on_terminal,
            args=(os.ttyname(terminal), {'COLUMNS': '80', **environment}, [*arguments, *options]),
        )
        process.start()
        written = b''
        os.set_blocking(reading, False)
        while True:
            ended = not process.is_alive()
            with contextlib.suppress(BlockingIOError):
                while part := os.read(reading, 65536):
                    written += part
            if ended:
                break
            process.join(0.05)
        os.close(terminal)
        os.close(reading)
        return process.exitcode, written.decode()

    return run


def screen(written):
    """What stands in each line at the end: what is written after a return covers it."""
    lines = []
    for line in written.replace('\r\n', '\n').split('\n'):
        shown = ''
        for text in line.split('\r'):
            shown = text + shown[len(text) :]
        lines.append(shown.rstrip())
    return lines


def test_a_live_line_on_a_terminal_below_everything_else(on_a_terminal):
    status, written = on_a_terminal(NO_COLOR='1')
    assert status == 0, written
    drawn = [text.strip() for text in re.split('[\r\n]', written)]
    last = [text for text in drawn if text.startswith('4/4')][-1]
    assert re.fullmatch(
        r'4/4 +epoch 2/2 +00:00 left +loss rc [\d.]+ ct [\d.]+ +[\d.]+ img/s +data \d+% +\d\.\d GB',
        last,
    )
    assert max(len(text) for text in drawn if 'left' in text) < 80
    lines = screen(written)
    assert 'a remark of the user' in lines and 'probe, epoch 2: knn 71 (1.5 s)' in lines
    assert not [line for line in lines if 'left' in line]  # gone at the end
    assert '\x1b[3' not in written


def test_an_error_has_a_line_of_its_own_below_a_live_line(on_a_terminal):
    status, written = on_a_terminal('custom_hooks.0.fail_at=2', TERM='xterm')
    assert status == 1
    assert 'left' in written
    lines = [line for line in screen(written) if line]
    assert lines[-1].startswith('error: not the second step (traceback: ')
    assert '\x1b[33mwarning\x1b' in written


@pytest.mark.parametrize(
    'width, line', [(9, 'ab  cd  e'), (7, 'ab cd e'), (6, 'ab  cd'), (5, 'ab cd'), (1, 'a')]
)
def test_as_many_fields_as_fit(width, line):
    assert fit(['ab', 'cd', 'e'], width) == line
