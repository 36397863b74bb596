"""What a machine must have before anything is installed."""

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from .environments import Environment
from .errors import InstallError


def python_fits(environment: Environment) -> bool:
    """Return whether the running Python can make the environment."""
    oldest, newest = environment.pythons
    return oldest <= sys.version_info[:2] <= newest


def python_version() -> str:
    """Return the version of the running Python, such as 3.11.7."""
    return '.'.join(map(str, sys.version_info[:3]))


def check_python(environment: Environment) -> None:
    """Check that the running Python is supported and can make virtual environments.

    Raises:
        InstallError: the version does not fit, or a module is missing.
    """
    if not python_fits(environment):
        (_, oldest), (_, newest) = environment.pythons
        raise InstallError(
            f'{sys.executable} is Python {python_version()}, but {environment.folder} needs '
            f'3.{oldest} to 3.{newest}; choose another: make PYTHON=python3.11 ...'
        )
    for module in ('venv', 'ensurepip'):
        if importlib.util.find_spec(module) is None:
            raise InstallError(
                f"{sys.executable} has no module '{module}'; install it (Debian: apt install "
                f'{_debian_python()}-venv) or choose another Python: make PYTHON=...'
            )


def check_space(environment: Environment, root: Path) -> None:
    """Check that the disk has space for the environment and for pip's temporary files.

    Raises:
        InstallError: too little is free.
    """
    free = shutil.disk_usage(root).free / 1024**3
    if free < environment.gigabytes:
        raise InstallError(
            f'only {free:.1f} GB are free at {root}, but setting up {environment.folder} needs '
            f'{environment.gigabytes:g} GB; free some space and try again'
        )


def check_compiler() -> None:
    """Check that C++ extensions for Python can be compiled.

    Raises:
        InstallError: the compiler or Python's headers are missing.
    """
    compiler = shlex.split(os.environ.get('CXX', 'c++'))[0]
    if shutil.which(compiler) is None:
        raise InstallError(
            "compiling mmcv's operators needs a C++ compiler, but there is no "
            f"'{compiler}'; install one (Debian: apt install g++) or choose another: CXX=..."
        )
    header = Path(sysconfig.get_path('include')) / 'Python.h'
    if not header.exists():
        raise InstallError(
            f"compiling mmcv's operators needs Python's headers, but there is no {header}; "
            f'install them (Debian: apt install {_debian_python()}-dev)'
        )


def _debian_python() -> str:
    major, minor = sys.version_info[:2]
    return f'python{major}.{minor}'
