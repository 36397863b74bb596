"""Checkpoints of runs: everything that a resume needs, and whether a file is whole."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from .reading import InertUnpickler, load_checkpoint
from .stubs import rebuild


class RunSummary(NamedTuple):
    """What a checkpoint says of its run.

    Attributes:
        meta: mmengine's meta data, such as ``epoch``, ``iter`` and ``seed``.
        resumable: whether it holds the state of an optimiser.
    """

    meta: dict
    resumable: bool


def load_run(path: str | Path) -> dict:
    """Load a checkpoint of mmengine's Runner to the CPU, with its log buffers.

    Nothing in the file is executed: log buffers and their arrays are rebuilt from numbers; what
    is neither tensor nor number, string or container of them is left out.

    Raises:
        FileNotFoundError, ValueError: as :func:`~cmae_mm.checkpoints.load_checkpoint`.
    """
    return rebuild(load_checkpoint(path))


def summarise_run(path: str | Path) -> RunSummary:
    """Check that a checkpoint is whole, and read its meta data without its tensors.

    The check compares every byte with the file's checksums, which takes about a second for
    each 2 GB.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or not a checkpoint of torch.save since 1.6.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint {str(path)!r}')
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged:
                raise ValueError(f'checksum of {damaged} differs')
            (name,) = (name for name in archive.namelist() if name.endswith('/data.pkl'))
            with archive.open(name) as file:
                content = rebuild(InertUnpickler(file).load())
        return RunSummary(_as_dict(content.get('meta')), 'optimizer' in content)
    except OSError:
        raise
    except Exception as error:  # whatever damage makes zip and pickle do
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:100]
        raise ValueError(f'{str(path)!r} is not a whole checkpoint ({reason})') from None


def _as_dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}
