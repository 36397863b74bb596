"""The environments that can be set up, and the requirement files that describe them."""

from pathlib import Path
from typing import NamedTuple


class Environment(NamedTuple):
    """What one virtual environment consists of.

    Args:
        folder: its name in the checkout.
        requirements: the requirement files that pip resolves together.
        project: whether this project is installed into it.
        mmcv: whether mmcv is built from source, as requirements/mmcv.txt pins it.
        pythons: the oldest and the newest Python that fit.
        gigabytes: disk space needed to set it up.
        usually: how long the packages usually take.
    """

    folder: str
    requirements: tuple[str, ...]
    project: bool
    mmcv: bool
    pythons: tuple[tuple[int, int], tuple[int, int]]
    gigabytes: float
    usually: str


ENVIRONMENTS = {
    'default': Environment(
        folder='.venv',
        requirements=('default', 'package', 'runtime', 'shards', 'tests', 'build'),
        project=True,
        mmcv=True,
        pythons=((3, 10), (3, 12)),
        gigabytes=12,
        usually='3 minutes, mostly downloading',
    ),
    'openmmlab': Environment(
        folder='.venv-openmmlab',
        requirements=('openmmlab', 'package', 'runtime', 'shards', 'tests', 'build'),
        project=True,
        mmcv=False,  # mmcv-lite is a requirement like any other
        pythons=((3, 10), (3, 11)),  # torch 2.1 was not released for 3.12
        gigabytes=9,
        usually='2 minutes, mostly downloading',
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
    'docs': Environment(
        folder='.venv-docs',
        requirements=('docs',),
        project=False,  # its source is read, not imported
        mmcv=False,
        pythons=((3, 10), (3, 12)),
        gigabytes=0.5,
        usually='20 seconds',
    ),
}


def requirement_file(root: Path, name: str) -> Path:
    """Return the path of a requirement file in a checkout."""
    return root / 'requirements' / f'{name}.txt'


def requirement_lines(root: Path, name: str) -> list[str]:
    """Return the requirements in a file, without its comments."""
    text = requirement_file(root, name).read_text(encoding='utf-8')
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
