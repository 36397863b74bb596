"""``python -m cmae_mm``: which tool it starts, and with which arguments."""

import os
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def start(monkeypatch):
    """Runs the command and returns what this process would be replaced by."""

    def run(*arguments):
        started = []
        monkeypatch.setattr(sys, 'argv', ['__main__.py', *arguments])
        monkeypatch.setattr(os, 'execvpe', lambda _, *command: started.append(command))
        # as a user's shell, without PYTHON
        monkeypatch.delenv('PYTHON', raising=False)
        runpy.run_module('cmae_mm', run_name='__main__')
        ((command, environment),) = started
        assert environment['PYTHON'] == sys.executable
        return command

    return run


def test_a_tool_gets_its_arguments_as_they_are(start):
    arguments = ['--help', '--cfg-options', 'a=b.py', '-x', '--', 'y']
    assert start('train', *arguments) == [sys.executable, f'{ROOT}/tools/train.py', *arguments]
    assert start('dist-train', 'x', '8') == ['bash', f'{ROOT}/tools/dist_train.sh', 'x', '8']
    assert start('evaluate')[1].endswith('/tools/evaluate_features.py')


@pytest.mark.parametrize(
    'name',
    [
        'cmae_mm::cmae/cmae_quickstart.py',
        'cmae/cmae_quickstart.py',
        'configs/cmae/cmae_quickstart.py',
    ],
)
def test_names_of_packaged_configs_become_paths(start, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = f'{ROOT}/configs/cmae/cmae_quickstart.py'
    assert start('downstream', '--config', name)[2:] == ['--config', path]


def test_a_file_comes_before_a_packaged_config(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'cmae').mkdir()
    (tmp_path / 'cmae/cmae_quickstart.py').touch()
    assert start('train', 'cmae/cmae_quickstart.py')[2:] == ['cmae/cmae_quickstart.py']
    assert start('train', 'mine.py')[2:] == ['mine.py']  # the tool says that it does not exist


def test_help_has_a_line_for_every_tool(start, capsys):
    with pytest.raises(SystemExit) as stopped:
        start('--help')
    assert stopped.value.code == 0
    listed = capsys.readouterr().out.split('tools:\n')[1].splitlines()
    names = [line.split()[0] for line in listed]
    files = {path.name for path in (ROOT / 'tools').iterdir() if path.is_file()}
    assert len(names) == len(files - {'dist_launch.sh', 'launch.py'})
    assert {'train', 'test', 'evaluate', 'convert', 'shards', 'dist-train'} <= set(names)
    assert all(len(line.split()) > 3 for line in listed)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['trian', 'x.py'], "invalid choice: 'trian' (choose from"),
        (['train', 'cmae_mm::cmae/no.py'], "error: no config 'cmae_mm::cmae/no.py': did you mean"),
    ],
)
def test_wrong_names_are_told(start, arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        start(*arguments)
    told = f'{stopped.value.code}\n{capsys.readouterr().err}'
    assert message in told and 'Traceback' not in told


def test_missing_hosts_are_told_before_a_tool_starts(start, monkeypatch):
    monkeypatch.setattr('cmae_mm.compat.installed_version', {'torch': '2.10.0'}.get)
    with pytest.raises(SystemExit, match=r'error: .*mmengine missing.*cmae_mm\[onedl\]'):
        start('train', 'x.py')
