"""Writing files of tensors."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_SUFFIXES = ('.safetensors', '.pth')


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
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        if path.suffix == '.safetensors':
            save_file(tensors, temporary, metadata={'format': 'pt'})
        else:
            torch.save({container: tensors} if container else tensors, temporary)
        temporary.chmod(mode)  # safetensors makes it readable by the owner alone
        os.replace(temporary, path)
    except (SafetensorError, RuntimeError) as error:  # both raise these on a full disk
        raise OSError(f'{str(path)!r} was not written: {error}') from None
    finally:
        temporary.unlink(missing_ok=True)


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
