"""The installer, with uv, pip and the compiler replaced: what it does when, and what it says."""

import ast
import functools
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from requirements.installer import checks, operators, uv, virtual_environment
from requirements.installer.command_line import main
from requirements.installer.environments import ENVIRONMENTS
from requirements.installer.errors import InstallError
from requirements.installer.progress import Pace, Progress, time_left
from requirements.installer.virtual_environment import VirtualEnvironment

REPOSITORY = Path(__file__).parent.parent
LAUNCHER = REPOSITORY / 'requirements' / 'install.py'
WHEEL = 'onedl_mmcv-2.3.6-cp311-linux.whl'


class Machine:
    """A checkout and a user's cache; commands are recorded instead of run."""

    def __init__(self, monkeypatch, folder):
        self.monkeypatch = monkeypatch
        self.torch = '2.10.0+cu128 cpu'
        self.works = True  # what is installed can be imported
        self.interrupt_at = None
        self.commands = []
        monkeypatch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
        monkeypatch.setattr(VirtualEnvironment, 'run', lambda _, *args, **kwargs: self.run(*args))
        monkeypatch.setattr(operators, 'check_compiler', lambda: None)
        monkeypatch.setattr(virtual_environment, 'pip_settings', lambda _: {})
        monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
        self.free(100)
        self.checkout(folder / 'checkout')

    def checkout(self, root):
        (root / 'requirements').mkdir(parents=True)
        for file in (REPOSITORY / 'requirements').glob('*.txt'):
            (root / 'requirements' / file.name).write_text(file.read_text())
        self.root = root

    def free(self, gigabytes):
        usage = SimpleNamespace(free=gigabytes * 1024**3)
        self.monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage)

    def run(self, what, command):
        if len(self.commands) == self.interrupt_at:
            self.interrupt_at = None
            raise KeyboardInterrupt
        self.commands.append(what.split(' (')[0])
        if self.commands[-1] == 'making the environment':
            assert Path(command[0]).exists()
        if '--wheel-dir' in command:
            folder = Path(command[command.index('--wheel-dir') + 1])
            (folder / WHEEL).touch()
            self.works = True
        if not self.works and command[-1] == 'import mmcv.ops':
            raise InstallError('undefined symbol')
        return self.torch

    def make(self, *arguments):
        """Call the installer and return its exit status and the steps that it took."""
        self.commands.clear()
        return main(arguments, self.root), list(self.commands)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Machine(monkeypatch, tmp_path)


CREATE = [
    'making the environment',
    'installing uv',
    'installing packages',
    'installing mmcv without operators',
    'installing this project',
    'checking that it imports',
]
COMPILE = ["compiling mmcv's operators"]
ADD_OPS = ['installing mmcv with operators', 'checking that it imports']
LOOK = ['looking at torch']
CHECK_CUDA = ['checking that it was compiled for the GPU']


def test_second_call_does_nothing(machine):
    assert machine.make('default') == (0, CREATE)
    assert machine.make('default') == (0, [])
    assert machine.make('default', '--ops') == (0, LOOK + COMPILE + ADD_OPS)
    assert machine.make('default', '--ops') == (0, [])
    assert machine.make('default') == (0, [])


def test_environments_are_apart(machine):
    machine.make('default')
    assert machine.make('lint') == (0, CREATE[:3])
    assert machine.make('openmmlab') == (0, [c for c in CREATE if 'mmcv' not in c])
    assert machine.make('default') == (0, [])


@pytest.mark.parametrize('file', ['default', 'runtime', 'mmcv'])
def test_changed_requirement_makes_the_environment_anew_and_a_comment_does_not(machine, file):
    machine.make('default')
    requirements = machine.root / 'requirements' / f'{file}.txt'
    requirements.write_text(requirements.read_text() + '\n# another comment\n')
    assert machine.make('default') == (0, [])
    requirements.write_text(requirements.read_text().replace('=2', '=1') + '\nsix\n')
    assert machine.make('default') == (0, CREATE)


def test_moved_environment_is_made_anew(machine):
    machine.make('default')
    machine.root = machine.root.rename(machine.root.parent / 'moved')
    assert machine.make('default') == (0, CREATE)


def test_environment_is_made_anew_by_its_own_python(machine, monkeypatch):
    python = machine.root / '.venv' / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, 'executable', str(python))
    assert machine.make('default') == (0, CREATE)
    assert not python.exists()


@pytest.mark.parametrize('step', range(len(CREATE)))
def test_interrupted_creation_starts_anew(machine, step):
    machine.interrupt_at = step
    assert machine.make('default') == (1, CREATE[:step])
    assert machine.make('default') == (0, CREATE)


def test_interrupted_compilation_keeps_the_environment(machine):
    machine.make('default')
    machine.interrupt_at = 1
    assert machine.make('default', '--ops') == (1, LOOK)
    assert machine.make('default') == (0, [])
    assert machine.make('default', '--ops') == (0, LOOK + COMPILE + ADD_OPS)


@pytest.mark.parametrize('step', [2, 3])
def test_interrupted_replacement_of_mmcv_starts_anew_with_the_kept_wheel(machine, step):
    machine.make('default')
    machine.interrupt_at = step
    assert machine.make('default', '--ops')[0] == 1
    assert machine.make('default', '--ops') == (0, CREATE + LOOK + ADD_OPS)


def test_next_checkout_takes_the_kept_wheel_unless_torch_differs(machine, tmp_path):
    machine.make('default', '--ops')
    machine.checkout(tmp_path / 'second')
    assert machine.make('default', '--ops') == (0, CREATE + LOOK + ADD_OPS)
    for number, (torch, check) in enumerate(
        [
            ('2.9.1+cu128 cpu', []),
            ('2.10.0+cu128 cuda12.8-8.0', CHECK_CUDA),
            ('2.10.0+cu128 cuda12.8-9.0', CHECK_CUDA),
        ]
    ):
        machine.torch = torch
        machine.checkout(tmp_path / f'other{number}')
        assert machine.make('default', '--ops') == (0, CREATE + LOOK + COMPILE + ADD_OPS + check)


def test_a_gpu_without_a_toolkit_is_warned_of_until_there_is_one(machine, capsys):
    machine.torch = '2.10.0+cu128 cpu-beside-a-gpu'
    assert machine.make('default', '--ops') == (0, CREATE + LOOK + COMPILE + ADD_OPS)
    assert 'WARNING: there is a GPU, but no CUDA toolkit (nvcc)' in capsys.readouterr().out
    assert machine.make('default', '--ops') == (0, LOOK)
    assert 'on the GPU will stop in its first iteration (nms)' in capsys.readouterr().out
    machine.torch = '2.10.0+cu128 cuda12.8-9.0'
    assert machine.make('default', '--ops') == (0, LOOK + COMPILE + ADD_OPS + CHECK_CUDA)
    assert machine.make('default', '--ops') == (0, [])


def test_torch_is_asked_what_to_compile_for(monkeypatch):
    def answer(gpus, toolkit, architectures=''):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: len(gpus))
        monkeypatch.setattr(torch.cuda, 'get_device_capability', gpus.__getitem__)
        monkeypatch.setattr(torch.utils.cpp_extension, 'CUDA_HOME', toolkit)
        monkeypatch.setattr(torch.version, 'cuda', '12.8')
        monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', architectures)
        printed = []
        exec(operators.LOOK_AT_TORCH, {'print': lambda *words: printed.append(words)})
        ((version, device),) = printed
        assert version == torch.__version__
        return device

    import torch
    import torch.utils.cpp_extension

    assert answer([], '/usr/local/cuda') == 'cpu'
    assert answer([(9, 0)], None) == 'cpu-beside-a-gpu' == operators.CPU_BESIDE_A_GPU
    assert answer([(9, 0), (8, 0), (9, 0)], '/usr/local/cuda') == 'cuda12.8-8.0-9.0'
    assert answer([(9, 0)], '/usr/local/cuda', '8.0;8.6 9.0+PTX') == 'cuda12.8-8.0-8.6-9.0+PTX'


def test_no_home_folder_is_told(machine, capsys, monkeypatch):
    def no_home():
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(Path, 'home', no_home)
    assert machine.make('default', '--ops') == (1, CREATE + LOOK)
    assert 'no home folder' in error_line(capsys)


def test_pip_installs_into_the_environment_whatever_its_configuration_says(venv, monkeypatch):
    monkeypatch.setenv('PIP_USER', '1')
    monkeypatch.setenv('TMPDIR', '/small')
    environment = 'import os; print(os.environ["PIP_USER"], os.environ["TMPDIR"])'
    run = venv.run
    monkeypatch.setattr(
        venv,
        'run',
        lambda what, _, **variables: printed.append(
            run(what, [sys.executable, '-c', environment], **variables)
        ),
    )
    printed = []
    venv.pip('installing', 'install', 'x')
    user, temporary = printed[0].split()
    assert user == '0'
    assert Path(temporary).parent == venv.folder


PIP_CONFIGURATION = r"""
:env:.cert='/my/ca.crt'
:env:.find-links='/nowhere {here} https://a/links'
global.extra-index-url='https://b/simple\nhttps://c/simple'
global.index-url='https://user:secret@a/simple'
global.timeout='5'
install.timeout='9'
list.format='columns'
"""


def test_uv_finds_packages_where_pip_is_configured_to(tmp_path, monkeypatch):
    python = tmp_path / 'python'
    listed = PIP_CONFIGURATION.format(here=tmp_path)
    script = '#!/bin/sh\n[ "$*" = "-m pip config list" ] && cat <<\\END'
    python.write_text(f'{script}{listed}END\n')
    python.chmod(0o755)
    assert uv.uv_variables(uv.pip_settings(python)) == {
        'SSL_CERT_FILE': '/my/ca.crt',
        'UV_FIND_LINKS': f'{tmp_path},https://a/links',
        'UV_INDEX': 'https://b/simple https://c/simple',
        'UV_DEFAULT_INDEX': 'https://user:secret@a/simple',
        'UV_HTTP_TIMEOUT': '9',
        'UV_INDEX_STRATEGY': 'unsafe-best-match',
        'UV_NO_CONFIG': '1',
    }


def uv_install(venv, monkeypatch, **settings):
    """The command and the variables that uv is started with."""
    started = []
    monkeypatch.setattr(virtual_environment, 'pip_settings', lambda _: settings)
    monkeypatch.setattr(venv, 'run', lambda _, *command, **added: started.append((command, added)))
    venv.uv_install('installing', 'x')
    (((command,), variables),) = started
    return command, variables


def test_uv_installs_into_the_environment_and_leaves_users_variables_alone(venv, monkeypatch):
    monkeypatch.setenv('UV_DEFAULT_INDEX', 'https://mine')
    settings = {'index-url': 'https://a', 'no-index': 'true'}
    command, variables = uv_install(venv, monkeypatch, **settings)
    assert command[command.index('--python') + 1] == str(venv.python) == command[0]
    assert '--no-index' in command
    assert 'UV_DEFAULT_INDEX' not in variables
    assert Path(variables['TMPDIR']).parent == venv.folder


def test_uv_keeps_packages_for_other_environments_where_it_can_link_to_them(venv, monkeypatch):
    monkeypatch.delenv('UV_CACHE_DIR', raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(venv.root / 'cache'))
    assert 'UV_NO_CACHE' not in uv_install(venv, monkeypatch)[1]
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/nowhere')
    assert uv_install(venv, monkeypatch)[1]['UV_NO_CACHE'] == '1'
    monkeypatch.setenv('XDG_CACHE_HOME', str(venv.root))
    assert uv.cache_variables(Path('/proc')) == {'UV_NO_CACHE': '1'}  # another disk
    monkeypatch.setenv('UV_CACHE_DIR', str(venv.root))
    assert uv.cache_variables(Path('/proc')) == {}


def test_kept_wheel_that_does_not_work_is_compiled_anew(machine, tmp_path):
    machine.make('default', '--ops')
    machine.checkout(tmp_path / 'second')
    machine.works = False
    steps = CREATE + LOOK + ADD_OPS + COMPILE + ADD_OPS
    assert machine.make('default', '--ops') == (0, steps)


def test_stamp_says_what_the_environment_was_made_from(machine):
    machine.make('default')
    recipe = json.loads((machine.root / '.venv' / 'made_from.json').read_text())['recipe']
    assert 'torch==2.10.0' in recipe['requirements']
    assert not any('#' in line for line in recipe['requirements'])


def test_stamps_of_earlier_installers_still_count(machine):
    """Their form is fixed here: another one would set up gigabytes again for every user."""
    for file, lines in {
        'default': 'torch==2.10.0',
        'package': 'tqdm',
        'runtime': 'pillow',
        'shards': 'filelock',
        'tests': 'pytest',
        'build': 'ninja  # fast\n\n# a remark\nwheel',
        'mmcv': 'onedl-mmcv==2.3.6',
    }.items():
        (machine.root / 'requirements' / f'{file}.txt').write_text(lines + '\n')
    (machine.root / '.venv').mkdir()
    stamp = {
        'recipe': {
            'folder': f'{machine.root}/.venv',
            'python': [os.path.realpath(sys.executable), '3.11.7'],
            'requirements': [
                *('torch==2.10.0', 'tqdm', 'pillow', 'filelock', 'pytest', 'ninja', 'wheel'),
                'onedl-mmcv==2.3.6',
            ],
        },
        'ops': 'cpu',
    }
    (machine.root / '.venv' / 'made_from.json').write_text(json.dumps(stamp))
    assert machine.make('default', '--ops') == (0, [])
    stamp['ops'] = True  # what it said before it said which device
    (machine.root / '.venv' / 'made_from.json').write_text(json.dumps(stamp))
    assert machine.make('default', '--ops') == (0, [])


def error_line(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    'environment, version',
    [('default', (3, 9, 18)), ('default', (3, 13, 0)), ('openmmlab', (3, 12, 1))],
)
def test_wrong_python_is_named_with_the_way_out(machine, capsys, monkeypatch, environment, version):
    monkeypatch.setattr(sys, 'version_info', version)
    assert machine.make(environment) == (1, [])
    assert machine.make(environment, '--fits') == (1, [])
    newest = 12 if environment == 'default' else 11
    expected = rf'is Python 3\.{version[1]}\.{version[2]}, .* 3\.10 to 3\.{newest}; .*make PYTHON='
    assert re.search(expected, error_line(capsys))


@pytest.mark.parametrize('module', ['venv', 'ensurepip'])
def test_python_without_venv_is_named(machine, capsys, monkeypatch, module):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == module else find_spec(name)
    )
    assert machine.make('default') == (1, [])
    assert re.search(rf"no module '{module}'; .*apt install python3", error_line(capsys))


def test_too_little_space_is_told_before_anything_is_installed(machine, capsys):
    machine.free(3.5)
    assert machine.make('default') == (1, [])
    assert re.search(r'3\.5 GB are free .* needs 1\d GB', error_line(capsys))


def test_unwritable_checkout_is_told_in_a_line(machine, capsys, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr(Path, 'mkdir', refuse)
    assert machine.make('default') == (1, [])
    assert re.search(r'\.venv: Permission denied; .*writable', error_line(capsys))


def test_missing_compiler_is_told(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler -O2')
    with pytest.raises(InstallError, match="no 'no-such-compiler'.* apt install g\\+\\+"):
        checks.check_compiler()


def test_missing_headers_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv('CXX', sys.executable)
    monkeypatch.setattr(sysconfig, 'get_path', lambda _: str(tmp_path))
    with pytest.raises(InstallError, match=r'Python\.h; .*apt install python3'):
        checks.check_compiler()


@pytest.fixture
def venv(tmp_path):
    venv = VirtualEnvironment(tmp_path, '.venv')
    venv.folder.mkdir()
    return venv


def run_python(venv, code):
    return venv.run('doing something (a while)', [sys.executable, '-c', code])


def fail_with(venv, text):
    with pytest.raises(InstallError) as error:
        run_python(venv, f'import sys; print({text!r}); sys.exit(3)')
    return str(error.value)


def test_failing_command_shows_the_end_of_its_output_and_where_the_rest_is(venv):
    message = fail_with(venv, '\n'.join(f'line {number}' for number in range(20)))
    assert message.splitlines()[0] == 'doing something failed'
    assert str(venv.log) in message
    assert message.splitlines()[-1].strip() == 'line 19'
    assert 'line 3' not in message
    assert 'line 3' in venv.log.read_text()


def test_unreachable_index_is_told_from_other_failures(venv):
    retry = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'"
    assert 'cannot reach the package index' in fail_with(venv, retry)
    refused = (
        'error: Failed to fetch: ...\n  cause: error sending request for url (https://a/simple/)'
    )
    assert 'cannot reach the package index' in fail_with(venv, refused)
    assert 'cannot reach the package index' not in fail_with(venv, 'No space left on device')


# Old Pythons


@pytest.mark.parametrize('version', [(2, 7, 18), (3, 6, 15), (3, 9, 18)])
def test_launcher_tells_old_pythons_that_they_are_too_old(monkeypatch, version):
    monkeypatch.setattr(sys, 'version_info', version)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(LAUNCHER), run_name='__main__')
    (message,) = stopped.value.args  # text: printed to the error stream, exit status 1
    assert f'{sys.executable} is Python {".".join(map(str, version))}, ' in message
    assert 'make PYTHON=' in message
    assert '\n' not in message
    oldest = min(environment.pythons[0] for environment in ENVIRONMENTS.values())
    newest = max(environment.pythons[1] for environment in ENVIRONMENTS.values())
    assert 'needs {}.{} to {}.{};'.format(*oldest, *newest) in message


def test_old_pythons_can_read_the_launcher():
    source = LAUNCHER.read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    source.encode('ascii')  # Python 2 reads nothing else without being told
    assert not any(isinstance(node, ast.JoinedStr) for node in ast.walk(tree))  # Python 2, too


@pytest.mark.parametrize('version', ['2.7', '3.6', '3.7', '3.8', '3.9'])
def test_old_python_itself_prints_one_line(version):
    pyenv = Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser()
    folders = ['/usr/bin', '/usr/local/bin', *pyenv.glob('versions/*/bin')]
    python = shutil.which(f'python{version}', path=os.pathsep.join(map(str, folders)))
    if python is None:
        pytest.skip(f'there is no Python {version} here')
    ran = subprocess.run([python, LAUNCHER, 'lint'], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stdout == ''
    assert re.fullmatch(rf'Error: .* is Python {version}\.\d+, but .*\n', ran.stderr)


# Progress


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal:
    """A terminal that keeps what is printed."""

    def __init__(self):
        self.text = ''

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True

    def line(self):
        return self.text.split('\r\033[K')[-1]


def ninja_line(done, total=78):
    return f'  [{done}/{total}] c++ -MMD -MF /somewhere/nms.o\n'


def test_even_steps_are_extrapolated():
    pace = Pace(window=20, fewest=5)
    left = [pace.seconds_left(done, 100, 10.0 * done) for done in range(1, 101)]
    assert left[:5] == [None] * 5
    assert left[5:] == [10.0 * (100 - done) for done in range(6, 101)]


def test_recent_steps_count():
    """185 files: 60 of 1 s, then 125 of 10 s."""
    pace = Pace(window=20, fewest=5)
    now, left = 0.0, {}
    for done in range(1, 186):
        now += 1 if done <= 60 else 10
        left[done] = pace.seconds_left(done, 185, now)
    assert left[60] == 125 * 1  # nothing tells that the others are larger
    assert left[70] == 115 * (10 * 1 + 10 * 10) / 20
    assert left[80] == 105 * 10  # 60 cheap files are forgotten; a mean of all would say 340 s


def test_next_build_starts_a_new_measurement():
    pace = Pace(window=20, fewest=5)
    for done in range(1, 11):
        pace.seconds_left(done, 10, 100.0 * done)
    left = [pace.seconds_left(done, 50, 2000.0 + done) for done in range(1, 8)]
    assert left == [None] * 5 + [44.0, 43.0]


@pytest.mark.parametrize(
    'seconds, words',
    [
        (0, 'less than a minute left'),
        (29, 'less than a minute left'),
        (31, 'about 1 min left'),
        (840, 'about 14 min left'),
        (5700, 'about 95 min left'),
    ],
)
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


def test_pipe_gets_a_line_per_minute_with_the_time_left(capsys):
    clock = Clock()
    with Progress('compiling (once per user; usually 9 minutes)', clock) as progress:
        for done in range(1, 79):
            clock.now += 10
            progress.show(ninja_line(done))
            progress.show('nms.cpp: warning: unused variable [-Wunused]\n')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '  compiling (once per user; usually 9 minutes) ...'
    assert lines[1:4] == [
        '    6 of 78 files, about 12 min left',
        '    12 of 78 files, about 11 min left',
        '    18 of 78 files, about 10 min left',
    ]
    assert lines[-3:] == [
        '    72 of 78 files, about 1 min left',
        '    78 of 78 files',
        '  compiling: 780 s',
    ]
    assert len(lines) == 1 + 780 // 60 + 1


def test_terminal_line_keeps_the_time_left_in_80_columns(monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    monkeypatch.setattr(sys, 'stdout', Terminal())
    clock = Clock()
    what = "compiling mmcv's operators (once per user; usually 9 minutes on 2 cores)"
    with Progress(what, clock) as progress:
        assert sys.stdout.line() == f'  {what} ...'
        for done in range(1, 38):
            clock.now += 5.7
            progress.show(ninja_line(done, 185))
            if done == 2:
                assert sys.stdout.line() == "  compiling mmcv's operators ... 2 of 185 files"
        assert sys.stdout.line() == (
            "  compiling mmcv's operators ... 37 of 185 files, about 14 min left"
        )
        clock.now += 800
    assert sys.stdout.line() == "  compiling mmcv's operators: 1011 s\n"


def test_failure_ends_the_line(capsys):
    with pytest.raises(InstallError), Progress('compiling (a while)'):
        raise InstallError
    assert capsys.readouterr().out.splitlines()[-1] == '  compiling: failed'


def test_uv_and_pip_are_followed_by_package(monkeypatch):
    monkeypatch.setattr(sys, 'stdout', Terminal())
    with Progress('installing packages (usually 3 minutes)') as progress:
        progress.show('  Downloading https://a.b/c/torch-2.10.whl (9 MB)')
        assert sys.stdout.line() == '  installing packages ... Downloading torch-2.10.whl'
        progress.show('Downloading torch (857.6MiB)')
        assert sys.stdout.line() == '  installing packages ... Downloading torch'
        progress.show(' Downloaded numpy')
        assert sys.stdout.line() == '  installing packages ... Downloaded numpy'
        progress.show('  Downloading https://a.b/c/torch-2.10.whl (9 MB)')
        progress.show('  copying mmcv/ops/nms.py')
        assert sys.stdout.line() == '  installing packages ... Downloading torch-2.10.whl'


def test_build_in_a_process_is_followed(venv, monkeypatch, capsys):
    """A script prints ninja's lines; every look at the clock is 20 s later than the last."""
    ticks = iter(range(0, 10_000, 20))
    monkeypatch.setattr(
        virtual_environment, 'Progress', functools.partial(Progress, clock=ticks.__next__)
    )
    code = 'for n in range(1, 11): print(f"  [{n}/10] c++ -c file{n}.cpp")'
    assert run_python(venv, code) == '  [10/10] c++ -c file10.cpp'
    assert capsys.readouterr().out.splitlines() == [
        '  doing something (a while) ...',
        '    3 of 10 files',
        '    6 of 10 files, about 1 min left',
        '    9 of 10 files, less than a minute left',
        '  doing something: 220 s',
    ]
    assert '[7/10] c++ -c file7.cpp' in venv.log.read_text()
