"""The installer, with pip and the compiler replaced: what it does when, and what it says."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).parent.parent
WHEEL = 'onedl_mmcv-2.3.6-cp311-linux.whl'


@pytest.fixture
def install():
    spec = importlib.util.spec_from_file_location(
        'install', REPOSITORY / 'requirements' / 'install.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """A checkout and a user's cache, where commands are noted instead of run."""

    def __init__(self, install, monkeypatch, folder):
        self.install = install
        self.monkeypatch = monkeypatch
        self.torch = '2.10.0+cu128 cpu'
        self.works = True  # what is installed can be imported
        self.interrupt_at = None
        self.commands = []
        monkeypatch.setenv('XDG_CACHE_HOME', str(folder / 'cache'))
        monkeypatch.setattr(install.Installer, 'run', lambda _, *args, **kwargs: self.run(*args))
        monkeypatch.setattr(install, 'check_compiler', lambda: None)
        monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
        self.free(100)
        self.checkout(folder / 'checkout')

    def checkout(self, root):
        (root / 'requirements').mkdir(parents=True)
        for file in (REPOSITORY / 'requirements').glob('*.txt'):
            (root / 'requirements' / file.name).write_text(file.read_text())
        self.root = root
        self.monkeypatch.setattr(self.install, 'ROOT', root)

    def free(self, gigabytes):
        usage = SimpleNamespace(free=gigabytes * 1024**3)
        self.monkeypatch.setattr(self.install.shutil, 'disk_usage', lambda _: usage)

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
            raise self.install.InstallError('undefined symbol')
        return self.torch

    def make(self, *arguments):
        """Calls the installer and returns its exit status and the steps that it took."""
        self.commands.clear()
        self.monkeypatch.setattr(sys, 'argv', ['install.py', *arguments])
        return self.install.main(), list(self.commands)


@pytest.fixture
def machine(install, monkeypatch, tmp_path):
    return Machine(install, monkeypatch, tmp_path)


CREATE = [
    'making the environment',
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
    assert machine.make('lint') == (0, ['making the environment', 'installing packages'])
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
    root = machine.root.rename(machine.root.parent / 'moved')
    machine.monkeypatch.setattr(machine.install, 'ROOT', root)
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


def test_what_operators_are_for_is_asked_of_torch(install, monkeypatch):
    def answer(gpus, toolkit, architectures=''):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: len(gpus))
        monkeypatch.setattr(torch.cuda, 'get_device_capability', gpus.__getitem__)
        monkeypatch.setattr(torch.utils.cpp_extension, 'CUDA_HOME', toolkit)
        monkeypatch.setattr(torch.version, 'cuda', '12.8')
        monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', architectures)
        printed = []
        exec(install.LOOK_AT_TORCH, {'print': lambda *words: printed.append(words)})
        ((version, device),) = printed
        assert version == torch.__version__
        return device

    import torch
    import torch.utils.cpp_extension

    assert answer([], '/usr/local/cuda') == 'cpu'
    assert answer([(9, 0)], None) == 'cpu-beside-a-gpu' == install.CPU_BESIDE_A_GPU
    assert answer([(9, 0), (8, 0), (9, 0)], '/usr/local/cuda') == 'cuda12.8-8.0-9.0'
    assert answer([(9, 0)], '/usr/local/cuda', '8.0;8.6 9.0+PTX') == 'cuda12.8-8.0-8.6-9.0+PTX'


def test_no_home_folder_is_told(machine, capsys, monkeypatch):
    def no_home():
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(Path, 'home', no_home)
    assert machine.make('default', '--ops') == (1, CREATE + LOOK)
    assert 'no home folder' in error_line(capsys)


def test_pip_installs_into_the_environment_whatever_its_configuration_says(installer, monkeypatch):
    monkeypatch.setenv('PIP_USER', '1')
    ran = []
    monkeypatch.setattr(installer, 'run', lambda *_, **variables: ran.append(variables))
    installer.pip('installing', 'install', 'x')
    assert ran[0]['PIP_USER'] == '0'


def test_kept_wheel_that_does_not_work_is_compiled_anew(machine, tmp_path):
    machine.make('default', '--ops')
    machine.checkout(tmp_path / 'second')
    machine.works = False
    steps = CREATE + LOOK + ADD_OPS + COMPILE + ADD_OPS
    assert machine.make('default', '--ops') == (0, steps)


def test_stamp_tells_what_the_environment_was_made_from(machine):
    machine.make('default')
    recipe = json.loads((machine.root / '.venv' / 'made_from.json').read_text())['recipe']
    assert 'torch==2.10.0' in recipe['requirements']
    assert not any('#' in line for line in recipe['requirements'])


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
    assert re.search(r'3\.5 GB are free .* takes 1\d GB', error_line(capsys))


def test_unwritable_checkout_is_told_in_a_line(machine, capsys, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr(Path, 'mkdir', refuse)
    assert machine.make('default') == (1, [])
    assert re.search(r'\.venv: Permission denied; .*writable', error_line(capsys))


def test_missing_compiler_is_told(install, monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler -O2')
    with pytest.raises(install.InstallError, match="no 'no-such-compiler'.* apt install g\\+\\+"):
        install.check_compiler()


def test_missing_headers_are_told(install, monkeypatch, tmp_path):
    monkeypatch.setenv('CXX', sys.executable)
    monkeypatch.setattr(install.sysconfig, 'get_path', lambda _: str(tmp_path))
    with pytest.raises(install.InstallError, match=r'Python\.h; .*apt install python3'):
        install.check_compiler()


@pytest.fixture
def installer(install, monkeypatch, tmp_path):
    monkeypatch.setattr(install, 'ROOT', tmp_path)
    installer = install.Installer(install.ENVIRONMENTS['default'])
    installer.folder.mkdir()
    return installer


def fail_with(installer, text):
    code = f'import sys; print({text!r}); sys.exit(3)'
    with pytest.raises(Exception) as error:
        installer.run('doing something (a while)', [sys.executable, '-c', code])
    return str(error.value)


def test_failing_command_shows_the_end_of_its_output_and_where_the_rest_is(installer):
    message = fail_with(installer, '\n'.join(f'line {number}' for number in range(20)))
    assert message.splitlines()[0] == 'doing something failed'
    assert str(installer.log) in message
    assert message.splitlines()[-1].strip() == 'line 19'
    assert 'line 3' not in message
    assert 'line 3' in installer.log.read_text()


def test_unreachable_index_is_told_from_other_failures(installer):
    retry = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'"
    assert 'index cannot be reached' in fail_with(installer, retry)
    assert 'index cannot be reached' not in fail_with(installer, 'No space left on device')


def test_progress_counts_compiled_files(install):
    assert install.Progress.step('  [7/78] c++ -MMD -MF nms.o') == '7 of 78 files'
    assert install.Progress.step('  Downloading https://a.b/c/torch-2.10.whl (9 MB)') == (
        'Downloading torch-2.10.whl'
    )
    assert install.Progress.step('  copying mmcv/ops/nms.py') is None
