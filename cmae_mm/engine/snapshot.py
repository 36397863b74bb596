"""Copies of what training is about to change."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Snapshots:
    """Copies containers of tensors to the CPU, one at a time, always to the same memory.

    Memory that a process uses for the first time costs several times as much as copying to it:
    a checkpoint of a ViT-B would keep training waiting for seconds.
    """

    def __init__(self) -> None:
        self.memory: list[Tensor] = []

    def reserve(self, sizes: list[tuple[torch.Size, torch.dtype]]) -> None:
        """Get memory for tensors of these sizes, in the order in which they will be copied."""
        # pinned: copies from a GPU at full speed
        pinned = torch.cuda.is_available()
        for shape, dtype in sizes:
            self.memory.append(torch.zeros(shape, dtype=dtype, pin_memory=pinned))

    def take(self, value: Any) -> Any:
        """Copy tensors, and the containers that hold them; overwrites what was taken before.

        Tensors that share memory, such as tied weights, do so afterwards.
        """
        self.place = 0
        return self._copy(value, {})

    def _copy(self, value: Any, copies: dict) -> Any:
        if isinstance(value, Tensor):
            key = _key(value)
            if key not in copies:
                copies[key] = self._next(value).copy_(value.detach())
            return copies[key]
        if isinstance(value, dict):
            items = {key: self._copy(item, copies) for key, item in value.items()}
            value = copy.copy(value)  # with the metadata of a state_dict
            value.update(items)
            return value
        if type(value) in (list, tuple):
            return type(value)(self._copy(item, copies) for item in value)
        return copy.deepcopy(value)

    def _next(self, like: Tensor) -> Tensor:
        """Memory for a tensor: that of the same place last time, if it fits."""
        if self.place == len(self.memory):
            self.memory.append(torch.empty_like(like, device='cpu'))
        here = self.memory[self.place]
        if (here.shape, here.dtype) != (like.shape, like.dtype):
            here = self.memory[self.place] = torch.empty_like(like, device='cpu')
        self.place += 1
        return here


def sizes_of(value: Any) -> list[tuple[torch.Size, torch.dtype]]:
    """Return the sizes of the tensors that :meth:`Snapshots.take` copies, in its order."""
    return [
        (tensor.shape, tensor.dtype) for tensor in {_key(t): t for t in _tensors(value)}.values()
    ]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict) or type(value) in (list, tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _key(tensor: Tensor) -> tuple:
    """What tensors of the same memory have in common; empty ones have none."""
    place = tensor.data_ptr() if tensor.numel() else id(tensor)
    return tensor.device, place, tensor.shape, tensor.stride(), tensor.dtype
