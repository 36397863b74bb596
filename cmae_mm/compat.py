"""The two supported stacks of host versions, and the check on import."""

import contextlib
import importlib.util
import io
import runpy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

PYTHON = '>=3.10,<3.13'


class Stack(NamedTuple):
    """Versions that work together: a PEP 440 range per module."""

    name: str
    ranges: dict[str, str]


STACKS = (
    Stack(
        'the maintained continuation, onedl-*',
        {
            'torch': '>=2.6,<2.12',
            'mmengine': '>=0.10.8,<0.11',
            'mmcv': '>=2.3,<2.4',
            'mmpretrain': '>=1.3,<1.4',
        },
    ),
    Stack(
        'the last OpenMMLab releases',
        {
            'torch': '>=2.1,<2.6',  # from 2.6 on torch.load refuses what mmengine 0.10.7 saves
            'mmengine': '>=0.10.4,<0.10.8',
            'mmcv': '>=2.1,<2.2',
            'mmpretrain': '>=1.2,<1.3',
        },
    ),
)


def check_versions() -> None:
    """Raise one ImportError listing what was found and what is supported, unless it fits."""
    python = '.'.join(map(str, sys.version_info[:3]))
    found = {module: installed_version(module) for module in STACKS[0].ranges}
    if within(python, PYTHON) and any(supports(stack, found) for stack in STACKS):
        return
    versions = ', '.join(f'{module} {version or "missing"}' for module, version in found.items())
    combinations = '\n'.join(
        '  ' + ', '.join(f'{m} {r}' for m, r in stack.ranges.items()) + f' ({stack.name})'
        for stack in STACKS
    )
    raise ImportError(
        f'cmae_mm does not work with Python {python} and {versions}. It needs Python {PYTHON} '
        f'and one of these combinations (the extras cmae_mm[onedl] and cmae_mm[openmmlab] install '
        f'the versions that were tested):\n{combinations}'
    )


def installed_version(module: str) -> str | None:
    """Return the version in a package's version.py, whatever distribution it came in, or None.

    The package is not imported: the hosts' own checks would stop at the first mismatch.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return runpy.run_path(str(Path(spec.origin).with_name('version.py')))['__version__']


def supports(stack: Stack, found: dict[str, str | None]) -> bool:
    """Whether every module is installed in a version of the stack."""
    return all(within(found[module], versions) for module, versions in stack.ranges.items())


def within(version: str | None, versions: str) -> bool:
    """Whether a version is in a range; builds (+cu128) and previews (a0) count as the release."""
    return version is not None and Version(version).base_version in SpecifierSet(versions)


def find_configs_by_module() -> None:
    """Let configs inherit ``mmseg::...`` from either distribution of mmsegmentation.

    mmengine looks for the distribution ``mmsegmentation``. It does not find one of another name,
    and ``mmengine.hub.get_config`` would even install ``mmsegmentation`` over it. The module's
    name works as well and is the same for both.
    """
    from mmengine.config import utils

    utils.MODULE2PACKAGE['mmseg'] = 'mmseg'


def leave_out_multimodal_models() -> None:
    """Let mmpretrain be imported where transformers 5 or later is installed.

    mmpretrain 1.2 and 1.3 import their multimodal models wherever transformers is installed. These
    need functions that transformers 5 no longer has, and the import of all of mmpretrain fails
    (``NoneType takes no arguments``). Without them mmpretrain has placeholders in their place.
    """
    from mmpretrain.utils import dependency

    if dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False


@contextlib.contextmanager
def from_extra(extra: str) -> Iterator[None]:
    """Let an import that fails name the extra of this package that brings what is missing.

    Args:
        extra: such as ``evaluation``.

    Raises:
        ModuleNotFoundError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the package '{str(error.name).split('.')[0]}' is not installed: "
            f"pip install 'cmae_mm[{extra}]'",
            name=error.name,
        ) from error


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Silence the hosts while they are imported.

    mmpretrain imports mmdetection if it is installed, which then reports missing operators and
    back ends, none of which is needed here. Errors pass.
    """
    with quiet_log(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Keep everything except errors out of mmengine's log."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(level)


def is_compiling() -> bool:
    """Whether torch.compile is tracing; torch 2.1 does not tell."""
    import torch

    return hasattr(torch.compiler, 'is_compiling') and torch.compiler.is_compiling()
