"""All tokens of many images, kept in a temporary file."""

import os
import tempfile

import torch
from torch import Tensor


class TokenStore:
    """Keep tokens in half precision in a temporary file, mapped to memory.

    The file takes 2 * N * L * D bytes of the disk (of ``$TMPDIR``) and goes with the tensor. The
    system keeps as much of it in memory as is free.

    Args:
        capacity: N, the largest number of images.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.count = 0
        self._all: Tensor | None = None

    def add(self, tokens: Tensor) -> None:
        """Append the tokens of some images, shape (n, L, D).

        Raises:
            OSError: the file can't be written.
        """
        if self._all is None:
            self._all = _temporary((self.capacity, *tokens.shape[1:]))
        self._all[self.count : self.count + len(tokens)] = tokens
        self.count += len(tokens)

    def tokens(self) -> Tensor:
        """Return all that was added, float16, shape (N, L, D), without copying it."""
        assert self._all is not None, 'nothing was added'
        return self._all[: self.count]


def _temporary(shape: tuple[int, ...]) -> Tensor:
    size = torch.Size(shape).numel()
    with tempfile.NamedTemporaryFile() as file:
        # all of it now: a disk that is full later would end the process without a word
        os.posix_fallocate(file.fileno(), 0, 2 * size)
        return torch.from_file(file.name, shared=True, size=size, dtype=torch.float16).view(shape)
