import ctypes
import platform
import resource
from pathlib import Path

import pytest
import torch

from cmae_mm.cpu import keep_freed_memory

MEGABYTES = 64


def resident():
    """Megabytes of this process."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason="the GNU C library's alone")
def test_memory_of_a_freed_tensor_stays(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    keep_freed_memory()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident()
    torch.ones(MEGABYTES * 2**20 // 4)
    assert resident() - before > 0.9 * MEGABYTES
