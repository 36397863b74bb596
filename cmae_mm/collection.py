"""The configs and tools that come with the package.

An installed package has them in ``.mim/``, as OpenMMLab's packages do; in a checkout, installed
as editable or not at all, they are the checkout's own.
"""

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_MIM = _PACKAGE / '.mim'
ROOT = _MIM if _MIM.is_dir() else _PACKAGE.parent
CONFIGS = ROOT / 'configs'
TOOLS = ROOT / 'tools'
PREFIX = 'cmae_mm::'


def config_path(name: str) -> Path:
    """Return the path of a config by its name, such as ``cmae_mm::cmae/cmae_quickstart.py``.

    Raises:
        FileNotFoundError: there is no such config; the message names similar ones.
    """
    path = CONFIGS / name.removeprefix(PREFIX)
    if path.is_file():
        return path
    names = [PREFIX + path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py')]
    similar = difflib.get_close_matches(name, names) or sorted(names)[:1]
    raise FileNotFoundError(f'no config {name!r}: did you mean {" or ".join(similar)}?')


def find_packaged_configs() -> None:
    """Let configs anywhere inherit ``_base_ = 'cmae_mm::...'``.

    mmengine itself would mark what they inherit as of the scope ``cmae_mm``, where neither
    mmpretrain's parts nor mmsegmentation's and mmdetection's would be found: the configs name the
    scope that they need. It also needs a model index for each look-up, and 0.10.7 does not find
    a package that is installed as editable.
    """
    from mmengine.config import Config, utils

    path_and_scope = Config._get_cfg_path

    def own_or_of_others(name: str, filename: str) -> tuple[str, str | None]:
        if name.startswith(PREFIX):
            return str(config_path(name)), None
        return path_and_scope(name, filename)

    Config._get_cfg_path = staticmethod(own_or_of_others)
    utils.MODULE2PACKAGE['cmae_mm'] = 'cmae_mm'  # for mmengine.hub.get_config
