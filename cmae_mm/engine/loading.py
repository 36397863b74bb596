"""Files that a Runner loads, read without executing anything in them."""

import os
import re
from pathlib import Path

import mmengine.fileio as fileio
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as host

from cmae_mm.checkpoints import load_run

_HOSTS = dict(CheckpointLoader._schemes)
_ZOO = re.compile(r'(modelzoo|torchvision|open-mmlab|openmmlab|mmcls)://')


def choose_reader(trusting: bool) -> None:
    """Choose how mmengine reads checkpoints in this process.

    That is what ``resume``, ``load_from``, ``init_cfg`` and hooks load, from wherever.

    Args:
        trusting: unpickle files as mmengine does, which runs whatever code they hold, instead of
            reading them by :func:`~cmae_mm.checkpoints.load_run`.
    """
    for prefix, hosts in _HOSTS.items():
        own = _load_from_zoo if _ZOO.match(prefix) else _load
        CheckpointLoader.register_scheme(prefix, hosts if trusting else own, force=True)


def _load(filename: str, map_location=None) -> dict:
    """Read a file of this machine, of the web or of a storage that mmengine knows.

    Args:
        filename: path or address.
        map_location: ignored; tensors come on the CPU, whose memory is not the scarce one.
    """
    filename = os.path.expanduser(filename)
    if filename.startswith(('http://', 'https://')):
        return load_run(_download(filename))
    with fileio.get_local_path(filename) as path:
        return load_run(path)


def _load_from_zoo(filename: str, map_location=None) -> dict:
    """Read a file by the name that one of the hosts' zoos gives it.

    Raises:
        KeyError: no zoo has a model of this name.
    """
    scheme, name = filename.split('://', 1)
    zoo = {
        'modelzoo': host.get_torchvision_models,
        'torchvision': host.get_torchvision_models,
        'mmcls': host.get_mmcls_models,
    }.get(scheme, host.get_external_models)()
    if name not in zoo:
        raise KeyError(
            f'no model {name!r} in {scheme}: there are {", ".join(sorted(zoo)[:5])}, ...'
        )
    return _load(zoo[name])


def _download(address: str) -> Path:
    """Return a local copy of a file, from torch's cache if it is there."""
    path = Path(torch.hub.get_dir(), 'checkpoints', address.rsplit('/', 1)[-1])
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path))
    return path
