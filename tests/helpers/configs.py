"""The project's configs, each parsed once."""

import copy
import functools
from pathlib import Path

from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs'
# of every method; benchmarks are a folder deeper
PRETRAINING = sorted(CONFIGS.glob('[!_]*/*.py'))

_parse = functools.cache(Config.fromfile)


def read_config(path: Path) -> Config:
    """The config of a file, to be changed at will: parsing its bases takes up to seconds."""
    return copy.deepcopy(_parse(path))
