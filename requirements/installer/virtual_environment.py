"""Running uv, pip and Python in a virtual environment, with a progress line and a log."""

import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from .errors import InstallError
from .progress import Progress
from .uv import cache_variables, pip_settings, uv_variables

NETWORK_TROUBLE = re.compile(
    'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries'
    '|error sending request'  # uv's
)


class VirtualEnvironment:
    """A virtual environment in a checkout.

    Args:
        root: the checkout; commands run there.
        name: the environment's folder in it.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.folder = root / name
        self.python = self.folder / 'bin' / 'python'
        self.stamp = self.folder / 'made_from.json'
        self.log = self.folder / 'install.log'
        # The running Python may be the environment's own: its base outlives the environment.
        self.base_python = Path(sys.executable).resolve()

    def make(self) -> None:
        """Make the environment, with nothing but pip in it."""
        self.folder.mkdir()
        command = [str(self.base_python), '-m', 'venv', str(self.folder)]
        self.run('making the environment', command)

    def pip(self, what: str, *arguments: str, **variables: str) -> None:
        """Run the environment's pip.

        Args:
            what: what it does, for the progress line.
            arguments: its command line.
            variables: added to its process environment.

        Raises:
            InstallError: pip failed.
        """
        # Gigabytes pass through pip's temporary folder, and /tmp is small on some machines.
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            command = [str(self.python), '-m', 'pip', '--disable-pip-version-check', '--no-input']
            # A user's PIP_USER or pip configuration must not redirect the packages.
            variables.update(TMPDIR=temporary, PIP_USER='0')
            self.run(what, [*command, *arguments], **variables)

    def uv_install(self, what: str, *requirements: str) -> None:
        """Install by the environment's uv, which is configured as its pip is.

        uv resolves and downloads in parallel: a third of pip's time for the default environment.

        Args:
            what: what is installed, for the progress line.
            requirements: as pip's command line has them.

        Raises:
            InstallError: uv failed.
        """
        settings = pip_settings(self.python)
        variables = uv_variables(settings) | cache_variables(self.folder)
        variables = {name: v for name, v in variables.items() if name not in os.environ}
        no_index = ['--no-index'] if settings.get('no-index', 'false') in ('true', '1') else []
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            command = [str(self.python), '-m', 'uv', 'pip', 'install', *no_index, *requirements]
            variables['TMPDIR'] = temporary  # may be small elsewhere
            self.run(what, [*command, '--python', str(self.python)], **variables)

    def replace(self, what: str, *packages: str) -> None:
        """Install packages even if the same versions are installed, without their dependencies."""
        self.pip(what, 'install', '--no-cache-dir', '--no-deps', '--force-reinstall', *packages)

    def run_code(self, what: str, code: str) -> str:
        """Run code in the environment's Python and return the last line that it prints.

        Raises:
            InstallError: the code failed.
        """
        return self.run(what, [str(self.python), '-c', code])

    def run(self, what: str, command: list[str], **variables: str) -> str:
        """Run a command, append its output to the log and return the last line.

        Args:
            what: what it does, for the progress line.
            command: the program and its arguments.
            variables: added to its process environment.

        Raises:
            InstallError: the command failed.
        """
        last_lines: deque[str] = deque(maxlen=100)
        with Progress(what) as progress, self.log.open('a', encoding='utf-8') as log:
            log.write(f'\n$ {" ".join(command)}\n')
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding='utf-8',
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
                raise InstallError(self._explain(progress.name, last_lines))
        return last_lines[-1] if last_lines else ''

    def _explain(self, name: str, lines: Iterable[str]) -> str:
        """Return what is known about a failure."""
        reason = f'{name} failed'
        if any(NETWORK_TROUBLE.search(line) for line in lines):
            reason += ': cannot reach the package index (network? pip config list?)'
        end = [line[:200] for line in lines if line.strip()][-5:]
        return '\n    '.join([reason, f'the end of {self.log}:', *end])
