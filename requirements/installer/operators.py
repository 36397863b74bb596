"""mmcv's compiled operators: built once per user and kept as a wheel for every checkout."""

import os
import sys
import tempfile
from pathlib import Path

from .checks import check_compiler
from .errors import InstallError
from .progress import say
from .virtual_environment import VirtualEnvironment

# What the operators are compiled for: the kinds of GPU that torch sees, or those in
# TORCH_CUDA_ARCH_LIST, if there is a CUDA toolkit.
CPU_BESIDE_A_GPU = 'cpu-beside-a-gpu'
LOOK_AT_TORCH = """
import os, re, torch
from torch.utils.cpp_extension import CUDA_HOME
gpus = {torch.cuda.get_device_capability(n) for n in range(torch.cuda.device_count())}
found = ' '.join(f'{major}.{minor}' for major, minor in sorted(gpus))
kinds = re.split('[ ;]+', os.environ.get('TORCH_CUDA_ARCH_LIST') or found)
cuda = '-'.join([f'cuda{torch.version.cuda}', *kinds])
print(torch.__version__, 'cpu' if not gpus else cuda if CUDA_HOME else 'cpu-beside-a-gpu')
"""
CHECK_CUDA_OPS = """
from mmcv.ops import get_compiling_cuda_version
version = get_compiling_cuda_version()
assert version != 'not available', 'the operators were compiled for the CPU only'
print(version)
"""

# Measured; about as many files compile at once as there are cores.
CORE_MINUTES = 18


def wheel_cache() -> Path:
    """Return the user's folder for compiled operators.

    Raises:
        InstallError: the user has no home folder.
    """
    cache = os.environ.get('XDG_CACHE_HOME')
    try:
        return (Path(cache) if cache else Path.home() / '.cache') / 'cmae_mm'
    except RuntimeError:
        raise InstallError(
            'this user has no home folder to keep compiled operators in: set HOME or XDG_CACHE_HOME'
        ) from None


class Operators:
    """mmcv's compiled operators for one virtual environment.

    Args:
        venv: the environment, with mmcv installed without operators.
        requirement: pins mmcv's version.
    """

    def __init__(self, venv: VirtualEnvironment, requirement: str) -> None:
        self.venv = venv
        self.requirement = requirement

    def look_at_torch(self) -> tuple[str, str]:
        """Return torch's version and the device to compile the operators for."""
        torch, device = self.venv.run_code('looking at torch', LOOK_AT_TORCH).split()
        if device == CPU_BESIDE_A_GPU:
            say(
                '\nWARNING: there is a GPU, but no CUDA toolkit (nvcc) to compile for it: '
                "mmcv's operators will run on the CPU only, and detection on the GPU will stop in "
                'its first iteration (nms).\nInstall the toolkit for the CUDA version of torch '
                f'{torch}, set CUDA_HOME to its folder and try again.\n'
            )
        return torch, device

    def add(self, torch: str, device: str) -> None:
        """Replace mmcv with one that has compiled operators, from a kept wheel if it works.

        Args:
            torch: torch's version.
            device: what to compile for.

        Raises:
            InstallError: the operators cannot be compiled, or do not work.
        """
        device_key = device.replace(CPU_BESIDE_A_GPU, 'cpu')
        wheels = wheel_cache() / f'mmcv-ops-torch{torch}-{device_key}'
        kept = self._find_wheel(wheels)
        if kept:
            try:
                self._install(kept, device)
                return
            except InstallError as error:
                say(f'{error}\nThe kept wheel does not work; compiling again')
        self._install(self._build(wheels), device)

    def _find_wheel(self, folder: Path) -> Path | None:
        """Return the wheel of the required mmcv for this Python in a folder, if there is one."""
        name, version = self.requirement.replace('-', '_').split('==')
        major, minor = sys.version_info[:2]
        return next(folder.glob(f'{name}-{version}-cp{major}{minor}-*.whl'), None)

    def _build(self, wheels: Path) -> Path:
        """Compile the operators into a wheel in the folder and return its path."""
        check_compiler()
        wheels.mkdir(parents=True, exist_ok=True)
        cores = len(os.sched_getaffinity(0))
        variables = {'MAX_JOBS': str(cores)}
        if wheels.name.endswith('-cpu'):
            # mmcv compiles for any GPU that it sees, even if there is no CUDA compiler.
            variables['CUDA_VISIBLE_DEVICES'] = ''
        minutes = max(1, CORE_MINUTES / cores)
        with tempfile.TemporaryDirectory(dir=wheels) as built:
            self.venv.pip(
                "compiling mmcv's operators "
                f'(once per user; usually {minutes:.0f} minutes on {cores} cores)',
                'wheel',
                *('--no-cache-dir', '--no-deps', '--no-build-isolation', '--verbose'),
                *('--wheel-dir', built, self.requirement),
                **variables,
            )
            wheel = self._find_wheel(Path(built))
            return wheel.replace(wheels / wheel.name)

    def _install(self, wheel: Path, device: str) -> None:
        """Replace mmcv with the wheel and check the operators."""
        self.venv.stamp.unlink(missing_ok=True)
        self.venv.replace('installing mmcv with operators', str(wheel))
        self.venv.run_code('checking that it imports', 'import mmcv.ops')
        if device.startswith('cuda'):
            self.venv.run_code('checking that it was compiled for the GPU', CHECK_CUDA_OPS)
