"""Reading checkpoints without running what is in them."""

import pickle
import types
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

# What tensors are made of; storages are recognised by torch itself.
_ALLOWED = {
    ('collections', 'OrderedDict'),
    ('torch', 'Size'),
    ('torch._utils', '_rebuild_parameter'),
    ('torch._utils', '_rebuild_tensor'),
    ('torch._utils', '_rebuild_tensor_v2'),
}

# What else training programs leave in their checkpoints: logs, configs, dates, seeds.
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
    """A pickle wants to call what no checkpoint needs."""


class _Inert:
    """Stands for an object that was not read: takes anything, does nothing.

    It has the methods by which unpickling fills objects, and can be called, as what
    unpickling looks up is.
    """

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __call__(self, *args, **kwargs) -> '_Inert':
        return self

    def __setitem__(self, key, value) -> None:
        pass

    def _take(self, value) -> None:
        pass

    __setstate__ = append = extend = add = _take


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors and builtin containers; what else is usual becomes inert.

    torch's ``weights_only`` refuses mmengine's checkpoints, whose log buffers
    refer to ``getattr``, and on older releases can't be told otherwise. Nothing
    is called in either case; what is not usual is refused to warn of the file.
    """

    def find_class(self, module: str, name: str):
        if (module, name) in _ALLOWED or (module == 'torch' and name.endswith('Storage')):
            return super().find_class(module, name)
        if module in ('builtins', '__builtin__'):
            usual = name in _PASSED_OVER_BUILTINS
        else:
            usual = module.split('.')[0] in _PASSED_OVER
        if not usual:
            raise _RefusedError(f'{module}.{name}')
        return _Inert


# what torch.load asks of a pickle module
_TENSOR_PICKLE = types.SimpleNamespace(
    __name__='tensor_pickle',
    Unpickler=_TensorUnpickler,
    load=lambda file, **kwargs: _TensorUnpickler(file, **kwargs).load(),
)


def load_checkpoint(path: str | Path) -> dict:
    """Load the tensors, numbers and texts of a file, to the CPU.

    What else is usual in a checkpoint is passed over; nothing in it is executed.

    Args:
        path: of a file written by ``torch.save``, or a ``.safetensors``.

    Returns:
        the file's dict.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint, or one that asks to call what no checkpoint needs.
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
            f'{str(path)!r} asks to call {error}, which no checkpoint needs: refused, and nothing '
            'in it was run; if its source is to be trusted, ask there for a .safetensors file, or '
            'for one of torch.save with a dict of tensors only'
        ) from None
    except Exception as error:  # whatever a file of another kind makes pickle do
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:100]
        raise ValueError(
            f'{str(path)!r} is no checkpoint: expected a file of torch.save or a .safetensors '
            f'({reason})'
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{str(path)!r} holds a {type(checkpoint).__name__}, expected a dict of tensors'
        )
    return checkpoint


def load_state_dict(path: str | Path) -> dict[str, Tensor]:
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
    tensors = {name: value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(
            f'{str(path)!r} has no tensors: expected a dict of them, or one under '
            f"'state_dict' or 'model'; found the keys {sorted(checkpoint)[:5]}"
        )
    return tensors
