"""Writing files of tensors."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_SUFFIXES = ('.safetensors', '.pth')
_TEMPORARY = '.writing-'  # followed by the process that writes


def save_tensors(
    path: str | Path, tensors: dict[str, Tensor], container: str | None = None
) -> None:
    """Write tensors to a file that appears under its name only once it is complete.

    Args:
        path: ``.safetensors``, or ``.pth`` that loads with ``weights_only=True``.
        tensors: by name.
        container: key of the ``.pth`` under which they are saved; None saves the dict itself.

    Raises:
        FileNotFoundError: no such folder.
        OSError: the file can't be written.
        ValueError: another suffix.
    """
    path = Path(path)
    require_target(path)
    # Copies: a view would be saved with its whole storage, or not at all.
    tensors = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        if path.suffix == '.safetensors':
            save_file(tensors, temporary, metadata={'format': 'pt'})
        else:
            write_torch({container: tensors} if container else tensors, temporary)
        temporary.chmod(mode)  # safetensors makes it readable by the owner alone


def write_torch(content: dict, path: Path) -> None:
    """Write a file of torch, through a file of Python's: its errors say what the system said."""
    with path.open('wb') as file:
        torch.save(content, file)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it takes the place of ``path`` once it is on the disk.

    Whenever the process or the machine stops, there is the old file or the new one, whole.

    Raises:
        OSError: the file can't be written; the old one is as it was.
    """
    temporary = path.with_name(f'.{path.name}{_TEMPORARY}{os.getpid()}')
    try:
        yield temporary
        with temporary.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except (SafetensorError, RuntimeError, OSError) as error:  # each raises its own on a full disk
        reason = _reason(error)
        free = shutil.disk_usage(path.parent).free / 2**30
        raise OSError(
            f'{str(path)!r} was not written ({reason}; {free:.1f} GiB are free in its folder)'
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """What the system said, which torch hides behind an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error)


def remove_temporaries(folder: Path) -> None:
    """Remove what processes that were killed while writing left in a folder."""
    for path in folder.glob(f'.*{_TEMPORARY}*'):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a file's new name survive a power cut, where the file system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_target(path: Path) -> None:
    """Check that a file of tensors can have this path.

    Raises:
        FileNotFoundError: no such folder.
        IsADirectoryError: the path is a folder.
        ValueError: another suffix.
    """
    if path.suffix not in _SUFFIXES:
        raise ValueError(
            f'{str(path)!r} ends in {path.suffix or "nothing"!r}: expected {" or ".join(_SUFFIXES)}'
        )
    if path.is_dir():
        raise IsADirectoryError(f'{str(path)!r} is a folder: give the name of a file')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'no folder {str(path.parent)!r} to write {path.name} to: make it')
