"""What tools/launch.py makes of the errors of ranks."""

import json
import runpy
import signal
import subprocess
import sys

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from cmae_mm.engine.errors import one_line_errors
from tests.helpers.process import ROOT

report = runpy.run_path(str(ROOT / 'tools' / 'launch.py'))['report']


@pytest.fixture
def failure(tmp_path, monkeypatch):
    """Ends a rank, by an error within ``one_line_errors()`` or by a signal."""

    def fail(rank, error=None, exitcode=1):
        path = tmp_path / f'error{rank}.json'
        if error is not None:
            monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(path))
            monkeypatch.setenv('CMAE_MM_LAUNCHER', 'prints')
            with pytest.raises(SystemExit) as ended, one_line_errors():
                raise error
            assert ended.value.code == exitcode  # the launcher prints it
        return ProcessFailure(rank, 1000 + rank, exitcode, str(path))

    return fail


def test_an_error_of_all_ranks_is_a_line(failure):
    failures = {rank: failure(rank, ValueError('found a,\nexpected b')) for rank in range(4)}
    (line,) = report(failures, 4).splitlines()
    assert line.startswith('error: all 4 ranks: found a, expected b (')


def test_an_error_of_some_ranks_names_them_and_leaves_out_what_followed_from_it(failure):
    failures = {
        0: failure(0, RuntimeError('lost contact with another rank')),
        2: failure(2, OSError('no file x')),
        1: failure(1, OSError('no file x')),
        3: failure(3, exitcode=-15),
    }
    (line,) = report(failures, 4).splitlines()
    assert line.startswith('error: ranks 1, 2: no file x (')


def test_a_fault_keeps_its_traceback_once(failure):
    text = report({rank: failure(rank, ZeroDivisionError('a bug')) for rank in range(2)}, 2)
    assert text.count('Traceback') == 1 and text.endswith('ZeroDivisionError: a bug')


@pytest.mark.parametrize(
    'exitcodes, line',
    [
        ({1: -9, 0: -15}, 'error: rank 1: killed by SIGKILL; dmesg says if memory ran out'),
        ({0: 75, 1: 75}, 'interrupted; --resume goes on from there'),
        ({0: -15, 1: 75}, 'interrupted; --resume goes on from there'),
        ({0: -15, 1: -15}, 'error: rank 0: killed by SIGTERM; dmesg says if memory ran out'),
        ({1: 3}, 'error: rank 1: ended with status 3'),
    ],
)
def test_ends_without_an_error(failure, exitcodes, line):
    failures = {rank: failure(rank, exitcode=code) for rank, code in exitcodes.items()}
    assert report(failures, 2) == line


RANK = """import signal, sys
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
print('ready', flush=True)
signal.pause() if sys.argv[1] == 'wait' else sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize('end, status', [('75', 75), ('3', 1), ('wait', 75)])
def test_the_launcher_ends_as_its_ranks_do(tmp_path, end, status):
    (tmp_path / 'rank.py').write_text(RANK)
    command = [sys.executable, ROOT / 'tools/launch.py', '--standalone', tmp_path / 'rank.py', end]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'ready\n'
        if end == 'wait':
            process.send_signal(signal.SIGUSR1)  # which the ranks get
        assert process.wait(60) == status


def test_torch_s_own_launcher_gets_the_line_too(failure, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(tmp_path / 'error.json'))
    with pytest.raises(SystemExit, match='error: found a'), one_line_errors():
        raise ValueError('found a')
    assert json.loads((tmp_path / 'error.json').read_text())['message'].startswith('found a (')
