"""Bringing an environment to the state that the requirement files describe."""

import json
import shutil
from pathlib import Path
from typing import Any

from .checks import check_space, python_version
from .environments import Environment, requirement_file, requirement_lines
from .operators import CPU_BESIDE_A_GPU, Operators
from .progress import say
from .virtual_environment import VirtualEnvironment


class Installer:
    """Sets up one environment, or whatever is missing from it.

    Args:
        environment: what it consists of.
        root: the checkout.
    """

    def __init__(self, environment: Environment, root: Path) -> None:
        self.environment = environment
        self.root = root
        self.venv = VirtualEnvironment(root, environment.folder)

    def ensure(self, ops: bool) -> None:
        """Do what is missing.

        Args:
            ops: whether mmcv's compiled operators are needed.

        Raises:
            InstallError: a step failed.
        """
        if self.read_stamp().get('recipe') != self.recipe():
            self.create()
            self.write_stamp(ops=False)
        if ops:
            self.ensure_ops()

    def ensure_ops(self) -> None:
        """Add mmcv's compiled operators unless they are installed."""
        compiled_for = self.read_stamp()['ops']
        # Beside a GPU, a CUDA toolkit may have been installed since.
        if compiled_for not in (False, CPU_BESIDE_A_GPU):
            return
        (requirement,) = requirement_lines(self.root, 'mmcv')
        operators = Operators(self.venv, requirement)
        torch, device = operators.look_at_torch()
        if device != compiled_for:
            operators.add(torch, device)
            self.write_stamp(ops=device)

    def recipe(self) -> dict[str, Any]:
        """Return everything that calls for a new environment when it changes."""
        names = [*self.environment.requirements, *(['mmcv'] if self.environment.mmcv else [])]
        return {
            'folder': str(self.venv.folder),  # an environment does not survive being moved
            'python': [str(self.venv.base_python), python_version()],
            'requirements': [line for name in names for line in requirement_lines(self.root, name)],
        }

    def read_stamp(self) -> dict[str, Any]:
        """Return what the environment was made from, nothing if it is incomplete."""
        try:
            return json.loads(self.venv.stamp.read_text())
        except (OSError, ValueError):
            return {}

    def write_stamp(self, ops: str | bool) -> None:
        """Declare the environment complete.

        Args:
            ops: the device that mmcv's operators were compiled for, or False.
        """
        self.venv.stamp.write_text(json.dumps({'recipe': self.recipe(), 'ops': ops}, indent=1))

    def create(self) -> None:
        """Make the environment from scratch, with mmcv but without its compiled operators."""
        say(f'Setting up {self.environment.folder} with Python {python_version()}')
        shutil.rmtree(self.venv.folder, ignore_errors=True)
        check_space(self.environment, self.root)
        self.venv.make()
        self.venv.pip('installing uv', 'install', '-r', str(requirement_file(self.root, 'uv')))
        # One resolution: in several, later ones undo earlier choices.
        files = [str(requirement_file(self.root, name)) for name in self.environment.requirements]
        self.venv.uv_install(
            f'installing packages (usually {self.environment.usually})',
            *[argument for file in files for argument in ('-r', file)],
        )
        if self.environment.mmcv:
            # Without torch in pip's isolated build, mmcv leaves out its operators.
            packages = requirement_lines(self.root, 'mmcv')
            self.venv.replace('installing mmcv without operators', *packages)
        if self.environment.project:
            options = ('--no-deps', '--no-build-isolation', '--editable')
            self.venv.pip('installing this project', 'install', *options, str(self.root))
            self.venv.run_code('checking that it imports', 'import torchvision, mmpretrain.models')
