"""Reading checkpoints without executing anything in them."""

import pickle
import types
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from .stubs import STUBS, Inert

# Needed to rebuild tensors; torch itself recognises storages.
_ALLOWED = {
    ('collections', 'OrderedDict'),
    ('torch', 'Size'),
    ('torch._utils', '_rebuild_parameter'),
    ('torch._utils', '_rebuild_tensor'),
    ('torch._utils', '_rebuild_tensor_v2'),
}

# Modules whose objects training programs store in checkpoints: logs, configs, dates, seeds.
_PASSED_OVER = {
    '_codecs',
    'argparse',
    'collections',
    'copyreg',
    'datetime',
    'mmengine',
    'numpy',
    'omegaconf',
    'pathlib',
    'timm',
    'torch',
    'yacs',
}
_PASSED_OVER_BUILTINS = {
    'bytearray',
    'complex',
    'dict',
    'frozenset',
    'getattr',  # mmengine's log buffers
    'list',
    'object',
    'range',
    'set',
    'slice',
    'tuple',
}


class _RefusedError(Exception):
    """Unpickling would call something that no checkpoint needs."""


class _TensorUnpickler(pickle.Unpickler):
    """Unpickle tensors and builtin containers; other common objects become inert stubs.

    torch's ``weights_only`` rejects mmengine's checkpoints because their log buffers
    refer to ``getattr``, and older releases have no way to allow it. Nothing is called in
    either case; an uncommon reference is refused as a warning about the file.
    """

    def find_class(self, module: str, name: str):
        """Return the class of a tensor part, or a stub for another common object.

        Raises:
            _RefusedError: no checkpoint needs the object.
        """
        if (module, name) in _ALLOWED or (module == 'torch' and name.endswith('Storage')):
            return super().find_class(module, name)
        if (module, name) in STUBS:
            return STUBS[module, name]
        if module in ('builtins', '__builtin__'):
            common = name in _PASSED_OVER_BUILTINS
        else:
            common = module.split('.')[0] in _PASSED_OVER
        if not common:
            raise _RefusedError(f'{module}.{name}')
        return Inert


class InertUnpickler(pickle.Unpickler):
    """Unpickle containers, numbers, strings and log buffers; all else becomes inert stubs."""

    def find_class(self, module: str, name: str):
        return STUBS.get((module, name), Inert)

    def persistent_load(self, pid):
        return Inert()


# the parts of a pickle module that torch.load uses
_TENSOR_PICKLE = types.SimpleNamespace(
    __name__='tensor_pickle',
    Unpickler=_TensorUnpickler,
    load=lambda file, **kwargs: _TensorUnpickler(file, **kwargs).load(),
)


def load_checkpoint(path: str | Path) -> dict:
    """Load the tensors, numbers and strings of a file to the CPU.

    Other common objects become inert stubs; nothing in the file is executed.

    Args:
        path: of a file written by ``torch.save``, or a ``.safetensors``.

    Returns:
        the file's dict.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not a checkpoint, or unpickling it would call a function that
            no checkpoint needs.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint {str(path)!r}')
    try:
        if path.suffix == '.safetensors':
            return safetensors.torch.load_file(path)
        checkpoint = torch.load(
            path, map_location='cpu', pickle_module=_TENSOR_PICKLE, weights_only=False
        )
    except _RefusedError as error:
        raise ValueError(
            f'{str(path)!r} was refused: unpickling it would call {error}, which no checkpoint '
            'needs; nothing was executed. If you trust its source, ask it for a .safetensors '
            'file, or for one written by torch.save that holds a dict of tensors only; '
            'tools/train.py and tools/test.py --trust-checkpoint execute what it holds'
        ) from None
    except Exception as error:  # whatever a file of another kind makes pickle do
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:100]
        raise ValueError(
            f'{str(path)!r} is not a checkpoint: expected a file of torch.save or a .safetensors '
            f'({reason})'
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{str(path)!r} holds a {type(checkpoint).__name__}, expected a dict of tensors'
        )
    return checkpoint


def load_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name.

    Takes mmengine's ``state_dict``, the ``model`` of MAE and others, or a bare
    dict of tensors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not a checkpoint, or has no tensors.
    """
    checkpoint = load_checkpoint(path)
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    tensors = {name: value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(
            f'{str(path)!r} has no tensors: expected a dict of them, or one under '
            f"'state_dict' or 'model'; found the keys {sorted(checkpoint)[:5]}"
        )
    return tensors
