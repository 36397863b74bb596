"""Sets up the project's virtual environments; the Makefile calls it, `make help` says how.

An environment holds a stamp that says what it was made from: while that agrees with the
requirement files there is nothing to do. The stamp is there only while the environment is whole,
so that the next call makes anew what an interrupted one left.

Standard library only, in words that old Pythons understand, to tell them that they are too old.
"""

import argparse
import collections
import contextlib
import fcntl
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Environment = collections.namedtuple(
    'Environment', 'folder requirements project mmcv pythons gigabytes usually'
)

ENVIRONMENTS = {
    'default': Environment(
        folder='.venv',
        requirements=('default', 'package', 'runtime', 'tests', 'build'),
        project=True,
        mmcv=True,
        pythons=((3, 10), (3, 12)),
        gigabytes=12,
        usually='3 minutes, most of it download',
    ),
    'openmmlab': Environment(
        folder='.venv-openmmlab',
        requirements=('openmmlab', 'package', 'runtime', 'tests', 'build'),
        project=True,
        mmcv=False,  # mmcv-lite is a requirement like any other
        pythons=((3, 10), (3, 11)),  # there is no torch 2.1 for 3.12
        gigabytes=9,
        usually='2 minutes, most of it download',
    ),
    'lint': Environment(
        folder='.venv-lint',
        requirements=('lint',),
        project=False,
        mmcv=False,
        pythons=((3, 10), (3, 12)),
        gigabytes=0.2,
        usually='a few seconds',
    ),
}

# What mmcv compiles its operators for: the kinds of GPU that torch sees, or those of
# TORCH_CUDA_ARCH_LIST, if there is a CUDA toolkit.
CPU_BESIDE_A_GPU = 'cpu-beside-a-gpu'
LOOK_AT_TORCH = """
import os, re, torch
from torch.utils.cpp_extension import CUDA_HOME
gpus = {torch.cuda.get_device_capability(n) for n in range(torch.cuda.device_count())}
kinds = os.environ.get('TORCH_CUDA_ARCH_LIST') or ' '.join('%d.%d' % gpu for gpu in sorted(gpus))
cuda = '-'.join(['cuda' + str(torch.version.cuda), *re.split('[ ;]+', kinds)])
print(torch.__version__, 'cpu' if not gpus else cuda if CUDA_HOME else 'cpu-beside-a-gpu')
"""
CHECK_CUDA_OPS = """
from mmcv.ops import get_compiling_cuda_version
version = get_compiling_cuda_version()
assert version != 'not available', 'the operators are for the CPU alone'
print(version)
"""

# Measured; it compiles about as many files at once as there are cores.
OPS_CORE_MINUTES = 18

NETWORK_TROUBLE = re.compile(
    'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries'
)
NINJA_STEP = re.compile(r'\s*\[(\d+)/(\d+)\] ')
PIP_STEP = re.compile(r'\s*(Collecting|Downloading|Installing|Building) (?:\S*/)?(\S+)')


class InstallError(Exception):
    """What stops an installation, in words for the user."""


def main():
    """Sets up the environment that the command line names; the exit status says if it is there."""
    arguments = parse_arguments()
    environment = ENVIRONMENTS[arguments.environment]
    if arguments.fits:
        return 0 if python_fits(environment) else 1
    try:
        check_python(environment)
        with only_one_at_a_time(environment):
            Installer(environment).ensure(arguments.ops)
    except InstallError as error:
        return give_up(str(error))
    except OSError as error:
        return give_up(
            '%s: %s; the checkout and the cache folder must be writable and have space'
            % (error.filename, error.strerror)
        )
    except KeyboardInterrupt:
        return give_up('interrupted; call again to go on')
    return 0


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('environment', choices=sorted(ENVIRONMENTS))
    parser.add_argument('--ops', action='store_true', help="with mmcv's compiled operators")
    parser.add_argument(
        '--fits', action='store_true', help='only say by exit status if this Python will do'
    )
    arguments = parser.parse_args()
    if arguments.ops and not ENVIRONMENTS[arguments.environment].mmcv:
        parser.error('--ops is for the default environment')
    return arguments


def give_up(reason):
    """Says why on the error stream and returns the exit status."""
    print('Error: ' + reason, file=sys.stderr)
    return 1


def say(text):
    """Prints at once, also into a pipe."""
    print(text, flush=True)


# What must be there beforehand


def python_fits(environment):
    """Whether the environment can be made from the Python that runs this."""
    oldest, newest = environment.pythons
    return oldest <= sys.version_info[:2] <= newest


def check_python(environment):
    """Raises InstallError unless this Python is supported and can make environments."""
    if not python_fits(environment):
        (_, oldest), (_, newest) = environment.pythons
        raise InstallError(
            '%s is Python %s, but %s takes 3.%d to 3.%d; name one: make PYTHON=python3.11 ...'
            % (sys.executable, python_version(), environment.folder, oldest, newest)
        )
    for module in ('venv', 'ensurepip'):
        if importlib.util.find_spec(module) is None:
            raise InstallError(
                "%s has no module '%s'; install it (Debian: apt install python%d.%d-venv) or name "
                'another Python: make PYTHON=...'
                % ((sys.executable, module) + sys.version_info[:2])
            )


def python_version():
    """Returns such as '3.11.7'."""
    return '%d.%d.%d' % sys.version_info[:3]


def check_space(environment):
    """Raises InstallError unless the environment and the files on their way into it have space."""
    free = shutil.disk_usage(str(ROOT)).free / 1024**3
    if free < environment.gigabytes:
        raise InstallError(
            '%.1f GB are free at %s, but setting up %s takes %g GB; make room and call again'
            % (free, ROOT, environment.folder, environment.gigabytes)
        )


def check_compiler():
    """Raises InstallError unless C++ extensions of Python can be compiled."""
    compiler = shlex.split(os.environ.get('CXX', 'c++'))[0]
    if shutil.which(compiler) is None:
        raise InstallError(
            "compiling mmcv's operators needs a C++ compiler, but there is no '%s'; install one "
            '(Debian: apt install g++) or name one: CXX=...' % compiler
        )
    header = Path(sysconfig.get_path('include')) / 'Python.h'
    if not header.exists():
        raise InstallError(
            "compiling mmcv's operators needs Python's headers, but there is no %s; install them "
            '(Debian: apt install python%d.%d-dev)' % ((header,) + sys.version_info[:2])
        )


@contextlib.contextmanager
def only_one_at_a_time(environment):
    """Keeps two calls from deleting what the other one installs."""
    with open(str(ROOT / (environment.folder + '.lock')), 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('Another call is setting up %s: waiting for it' % environment.folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# The requirement files


def requirement_file(name):
    """Returns the path of a requirement file."""
    return ROOT / 'requirements' / (name + '.txt')


def requirement_lines(name):
    """Returns what a requirement file asks for, without the comments."""
    lines = (line.split('#')[0].strip() for line in requirement_file(name).open())
    return [line for line in lines if line]


def wheel_cache():
    """Returns the user's folder for compiled operators."""
    cache = os.environ.get('XDG_CACHE_HOME')
    try:
        return (Path(cache) if cache else Path.home() / '.cache') / 'cmae_mm'
    except RuntimeError:
        raise InstallError(
            'this user has no home folder to keep compiled operators in: set HOME or XDG_CACHE_HOME'
        ) from None


class Installer:
    """Brings one environment to the state that the requirement files ask for."""

    def __init__(self, environment):
        self.environment = environment
        self.folder = ROOT / environment.folder
        self.python = self.folder / 'bin' / 'python'
        # This Python may be the one of the environment: its base outlives the environment.
        self.base_python = os.path.realpath(sys.executable)
        self.stamp = self.folder / 'made_from.json'
        self.log = self.folder / 'install.log'

    def ensure(self, ops):
        """Does what is missing: the environment, mmcv's compiled operators (ops), or nothing."""
        if self.read_stamp().get('recipe') != self.recipe():
            self.create()
            self.write_stamp(ops=False)
        compiled_for = self.read_stamp()['ops']
        # Beside a GPU, a CUDA toolkit may have come since.
        if ops and compiled_for in (False, CPU_BESIDE_A_GPU):
            torch, device = self.look_at_torch()
            if device != compiled_for:
                self.add_ops(torch, device)
                self.write_stamp(ops=device)

    def recipe(self):
        """Returns all that asks for a new environment when it changes (a moved one breaks, too)."""
        files = self.environment.requirements + ('mmcv',) * self.environment.mmcv
        return {
            'folder': str(self.folder),
            'python': [self.base_python, python_version()],
            'requirements': [line for name in files for line in requirement_lines(name)],
        }

    def read_stamp(self):
        """Returns what the environment was made from, empty if it is not whole."""
        try:
            return json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}

    def write_stamp(self, ops):
        """Declares the environment whole."""
        self.stamp.write_text(json.dumps({'recipe': self.recipe(), 'ops': ops}, indent=1))

    def create(self):
        """Makes the environment from nothing, mmcv without compiled operators."""
        say('Setting up %s with Python %s' % (self.folder.name, python_version()))
        shutil.rmtree(str(self.folder), ignore_errors=True)
        check_space(self.environment)
        self.folder.mkdir()
        self.run('making the environment', [self.base_python, '-m', 'venv', str(self.folder)])
        # One resolution: in several, pip undoes its earlier choices.
        files = [str(requirement_file(name)) for name in self.environment.requirements]
        self.pip(
            'installing packages (usually %s)' % self.environment.usually,
            'install',
            *[argument for file in files for argument in ('-r', file)],
        )
        if self.environment.mmcv:
            # pip builds it apart from the environment, where mmcv's build finds no torch.
            self.install_mmcv('installing mmcv without operators', requirement_lines('mmcv'))
        if self.environment.project:
            options = ['--no-deps', '--no-build-isolation', '--editable', str(ROOT)]
            self.pip('installing this project', 'install', *options)
            self.check_import('torchvision, mmpretrain.models')

    def look_at_torch(self):
        """Returns torch's version and what mmcv's operators are to be compiled for."""
        command = [str(self.python), '-c', LOOK_AT_TORCH]
        torch, device = self.run('looking at torch', command).split()
        if device == CPU_BESIDE_A_GPU:
            say(
                '\nWARNING: there is a GPU, but no CUDA toolkit (nvcc) to compile for it: '
                "mmcv's operators will run on the CPU alone, and detection on the GPU will stop in "
                'its first iteration (nms).\nInstall the toolkit of the CUDA version of torch %s, '
                'set CUDA_HOME to its folder and call again.\n' % torch
            )
        return torch, device

    def add_ops(self, torch, device):
        """Installs mmcv with compiled operators, from the wheel of an earlier call if it works."""
        folder = 'mmcv-ops-torch%s-%s' % (torch, device.replace(CPU_BESIDE_A_GPU, 'cpu'))
        wheels = wheel_cache() / folder
        kept = self.find_wheel(wheels)
        if kept:
            try:
                return self.install_ops(kept, device)
            except InstallError as error:
                say('%s\nThe kept wheel does not work; compiling anew' % error)
        self.build_ops(wheels)
        self.install_ops(self.find_wheel(wheels), device)

    def find_wheel(self, folder):
        """Returns the wheel of the required mmcv for this Python in a folder, or None."""
        (requirement,) = requirement_lines('mmcv')
        name, version = requirement.replace('-', '_').split('==')
        tag = 'cp%d%d' % sys.version_info[:2]
        return next(folder.glob('%s-%s-%s-*.whl' % (name, version, tag)), None)

    def build_ops(self, wheels):
        """Compiles mmcv's operators into a wheel in the folder."""
        check_compiler()
        wheels.mkdir(parents=True, exist_ok=True)
        cores = len(os.sched_getaffinity(0))
        variables = {'MAX_JOBS': str(cores)}
        if wheels.name.endswith('-cpu'):
            # mmcv compiles for a GPU that it sees, but there may be no CUDA compiler.
            variables['CUDA_VISIBLE_DEVICES'] = ''
        options = ['--no-cache-dir', '--no-deps', '--no-build-isolation', '--verbose']
        with tempfile.TemporaryDirectory(dir=str(wheels)) as built:
            self.pip(
                "compiling mmcv's operators (once for this user; usually %.0f minutes on %d cores)"
                % (max(1, OPS_CORE_MINUTES / cores), cores),
                'wheel',
                *(options + ['--wheel-dir', built] + requirement_lines('mmcv')),
                **variables,
            )
            wheel = self.find_wheel(Path(built))
            wheel.replace(wheels / wheel.name)

    def install_ops(self, wheel, device):
        """Replaces mmcv by the wheel's and checks its operators."""
        if self.stamp.exists():
            self.stamp.unlink()
        self.install_mmcv('installing mmcv with operators', [str(wheel)])
        self.check_import('mmcv.ops')
        if device.startswith('cuda'):
            command = [str(self.python), '-c', CHECK_CUDA_OPS]
            self.run('checking that it was compiled for the GPU', command)

    def install_mmcv(self, what, packages):
        """Installs mmcv whether or not there is one of the same version."""
        self.pip(what, 'install', '--no-cache-dir', '--no-deps', '--force-reinstall', *packages)

    def check_import(self, modules):
        """Raises InstallError unless the environment can import the modules."""
        self.run('checking that it imports', [str(self.python), '-c', 'import ' + modules])

    def pip(self, what, *arguments, **variables):
        """Runs the environment's pip; variables go into its process environment."""
        # Gigabytes pass through pip's temporary folder, and /tmp is small on some machines.
        with tempfile.TemporaryDirectory(dir=str(self.folder)) as temporary:
            command = [str(self.python), '-m', 'pip', '--disable-pip-version-check', '--no-input']
            # PIP_USER, of the environment or of pip's configuration, is for no environment.
            variables.update(TMPDIR=temporary, PIP_USER='0')
            self.run(what, command + list(arguments), **variables)

    def run(self, what, command, **variables):
        """Runs a command, its output in the log; raises InstallError or returns the last line."""
        last_lines = collections.deque(maxlen=100)
        with Progress(what) as progress, open(str(self.log), 'a') as log:
            log.write('\n$ %s\n' % ' '.join(command))
            process = subprocess.Popen(
                command,
                cwd=str(ROOT),
                env=dict(os.environ, **variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                universal_newlines=True,
                errors='replace',
            )
            try:
                for line in process.stdout:
                    log.write(line)
                    last_lines.append(line.rstrip())
                    progress.show(line)
            except BaseException:
                process.terminate()
                raise
            if process.wait() != 0:
                raise InstallError(self.explain(what, last_lines))
        return last_lines[-1] if last_lines else ''

    def explain(self, what, lines):
        """Returns what is known about a failure."""
        reason = what.split(' (')[0] + ' failed'
        if any(NETWORK_TROUBLE.search(line) for line in lines):
            reason += ': the package index cannot be reached (network? pip config list?)'
        end = [line[:200] for line in lines if line.strip()][-5:]
        return '\n    '.join([reason, 'the end of %s:' % self.log] + end)


class Progress:
    """A line on what is being done: alive on a terminal, elsewhere one more now and then."""

    def __init__(self, what, seconds_between=60):
        self.what = what
        self.seconds_between = seconds_between
        self.alive = sys.stdout.isatty()

    def __enter__(self):
        self.start = self.shown = time.time()
        say('  %s ...' % self.what) if not self.alive else self.redraw('')
        return self

    def show(self, output):
        """Takes a line of output and tells of it where it means progress."""
        step = self.step(output)
        if step and self.alive:
            self.redraw(step)
        elif step and time.time() - self.shown > self.seconds_between:
            say('    ' + step)
            self.shown = time.time()

    @staticmethod
    def step(output):
        """Returns the progress that a line of pip or ninja tells of, or None."""
        if NINJA_STEP.match(output):
            return '%s of %s files' % NINJA_STEP.match(output).groups()
        if PIP_STEP.match(output):
            return '%s %s' % PIP_STEP.match(output).groups()
        return None

    def redraw(self, step):
        """Puts new text into the line."""
        width = shutil.get_terminal_size().columns
        print('\r\033[K' + ('  %s ... %s' % (self.what, step))[: width - 1], end='', flush=True)

    def __exit__(self, kind, *_):
        result = '%.0f s' % (time.time() - self.start) if kind is None else 'failed'
        say('%s  %s: %s' % ('\r\033[K' * self.alive, self.what.split(' (')[0], result))


if __name__ == '__main__':
    sys.exit(main())
