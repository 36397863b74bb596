import contextlib
import ctypes
import gc
import multiprocessing

import pytest
import torch
from mmengine.registry import DefaultScope

from tests.helpers import unformatted

# Ranks are forked from a process that has imported the hosts, which takes seconds.
multiprocessing.set_forkserver_preload(
    ['cmae_mm', 'mmdet.models', 'mmseg.models', unformatted.__name__]
)


def pytest_collection_modifyitems(config, items):
    if 'benchmark' not in config.getoption('markexpr'):  # they need idle cores
        items[:] = [item for item in items if 'benchmark' not in item.keywords]
    if torch.cuda.is_available():
        return
    for item in items:
        if 'gpu' in item.keywords:
            item.add_marker(pytest.mark.skip(reason='needs a CUDA device'))


def pytest_collection_finish():
    """Leave the hosts' million objects out of every garbage collection to come."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='module', autouse=True)
def default_scope():
    """Let no module's Runner choose the registries of the next module."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


@pytest.fixture(scope='module', autouse=True)
def memory_given_back():
    """Give the memory of a module's models back, which the allocator would keep."""
    yield
    gc.collect()  # a Runner is full of cycles
    with contextlib.suppress(OSError, AttributeError):  # the GNU C library's alone
        ctypes.CDLL(None).malloc_trim(0)
