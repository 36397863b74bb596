"""Reading checkpoints without running what is in them."""

import pickle
from pathlib import Path
from typing import Dict, Union

import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor


def load_checkpoint(path: Union[str, Path]) -> dict:
    """Load a file of tensors, and of mmengine's own records, to the CPU.

    Only what torch's weights-only unpickler takes, and mmengine's log buffers,
    are read; nothing in the file is executed.

    Args:
        path: of a ``.pth`` file written by ``torch.save``.

    Returns:
        the file's dict.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint, or one that holds other objects.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint {str(path)!r}')
    try:
        with torch.serialization.safe_globals(_LOG_RECORDS):
            checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise ValueError(
            f'{str(path)!r} is no checkpoint of tensors alone, and was not read '
            f'further: nothing in it was run ({reason})'
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{str(path)!r} holds a {type(checkpoint).__name__}, expected a dict of '
            'tensors'
        )
    return checkpoint


def load_state_dict(path: Union[str, Path]) -> Dict[str, Tensor]:
    """The tensors of a checkpoint by name.

    Takes mmengine's ``state_dict``, the ``model`` of MAE and others, or a bare
    dict of tensors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint, or no tensors in it.
    """
    checkpoint = load_checkpoint(path)
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    tensors = {
        name: value for name, value in checkpoint.items() if isinstance(value, Tensor)
    }
    if not tensors:
        raise ValueError(
            f'{str(path)!r} has no tensors: expected a dict of them, or one under '
            f"'state_dict' or 'model'; found the keys {sorted(checkpoint)[:5]}"
        )
    return tensors
