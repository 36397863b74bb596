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


def test_an_old_library_takes_its_largest_threshold(monkeypatch):
    asked = []

    class Old:
        def mallopt(self, option, value):
            asked.append((option, value))
            return value <= 2**25

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(platform, 'libc_ver', lambda: ('glibc', '2.31'))
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: Old())
    keep_freed_memory()
    assert asked == [(-3, 2**30), (-3, 2**25), (-1, 2**30)]
