"""What stands for an object of a checkpoint until its file has been read.

Unpickling fills these instead of the real thing, so that no code of another package runs.
"""

import copy
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer


class Inert:
    """A stub for an object that was not read: accepts anything, does nothing.

    It has the methods that unpickling uses to fill objects, and can be called like the classes
    and functions that unpickling looks up.
    """

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __call__(self, *args, **kwargs) -> 'Inert':
        return self

    def __setitem__(self, key, value) -> None:
        pass

    def _take(self, value) -> None:
        pass

    __setstate__ = append = extend = add = _take


class _Dtype(Inert):
    """``numpy.dtype``, of which only numbers are built."""

    order = '='

    def __init__(self, name: str = '', *args) -> None:
        self.name = name

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def build(self) -> np.dtype | None:
        try:
            dtype = np.dtype(self.name).newbyteorder(self.order)
        except TypeError:
            return None
        return dtype if dtype.kind in 'biuf' else None


class _Array(Inert):
    """``numpy.ndarray`` and ``numpy``'s scalars."""

    shape: tuple = ()
    fortran = False

    def __init__(self, dtype: Any = None, data: Any = None) -> None:
        self.dtype, self.data = dtype, data

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def build(self) -> Any:
        dtype = self.dtype.build() if isinstance(self.dtype, _Dtype) else None
        if dtype is None or not isinstance(self.data, bytes):
            return self
        order = 'F' if self.fortran else 'C'
        try:
            return np.frombuffer(self.data, dtype).reshape(self.shape, order=order).copy()[()]
        except (TypeError, ValueError):  # sizes that contradict each other
            return self


class _LogBuffer(Inert):
    """``mmengine.logging.HistoryBuffer``, of which only the numbers are kept."""

    state: dict = {}

    def __setstate__(self, state: dict) -> None:
        self.state = state

    def build(self) -> Any:
        values = [rebuild(self.state.get(name)) for name in ('_log_history', '_count_history')]
        length = self.state.get('max_length')
        if not isinstance(length, int) or not all(
            isinstance(value, np.ndarray) for value in values
        ):
            return self
        return HistoryBuffer(*values, max_length=length)


def _reconstruct(*args) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = None) -> Any:
    """``_codecs.encode``: in it old pickle protocols write bytes."""
    return text.encode('latin1') if isinstance(text, str) and encoding == 'latin1' else Inert()


STUBS = {
    ('_codecs', 'encode'): _encode,
    ('mmengine.logging.history_buffer', 'HistoryBuffer'): _LogBuffer,
    ('numpy', 'dtype'): _Dtype,
    ('numpy', 'ndarray'): _Array,
    # numpy 1 and 2
    **{
        (f'numpy.{core}.multiarray', name): stub
        for core in ('core', '_core')
        for name, stub in (('_reconstruct', _reconstruct), ('scalar', _Array))
    },
}


def rebuild(value: Any) -> Any:
    """Replace stubs of arrays and log buffers by the real thing; leave out what was not read.

    Args:
        value: what unpickling returned: dicts, lists and tuples of anything.

    Returns:
        the same with real arrays and buffers; items of dicts and lists without a real value
        are missing.
    """
    if isinstance(value, (_Array, _LogBuffer)):
        return value.build()
    if isinstance(value, dict):
        rebuilt = {key: rebuild(item) for key, item in value.items()}
        kept = {key: item for key, item in rebuilt.items() if not isinstance(item, Inert)}
        value = copy.copy(value)  # with the metadata of a state_dict
        value.clear()
        value.update(kept)
        return value
    if isinstance(value, (list, tuple)):
        items = [rebuild(item) for item in value]
        return type(value)(item for item in items if not isinstance(item, Inert))
    return value
