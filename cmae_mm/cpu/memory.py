"""Memory that a training step gets from the one before it."""

import ctypes
import platform

import torch

# of malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_BYTES = 2**30
_LIMIT = 2**25  # of the threshold by mallopt(3); newer versions take larger ones


def keep_freed_memory() -> None:
    """Let the process keep the memory of freed CPU tensors for the next ones.

    torch allocates them by malloc. The GNU C library's gives large pieces back to the system
    when they are freed, and the system clears every page anew that the next step asks for: up to
    a quarter of a small model's step. In return the process keeps its peak of memory.

    Does nothing with other C libraries, or where there are GPUs.
    """
    if torch.cuda.is_available() or platform.libc_ver()[0] != 'glibc':
        return
    library = ctypes.CDLL(None)
    if not library.mallopt(_M_MMAP_THRESHOLD, _BYTES):
        library.mallopt(_M_MMAP_THRESHOLD, _LIMIT)
    library.mallopt(_M_TRIM_THRESHOLD, _BYTES)
