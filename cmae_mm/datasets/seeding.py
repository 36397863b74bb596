"""Random numbers that depend on what they are for, not on who draws them or when."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS
from torch.utils.data import get_worker_info


@contextlib.contextmanager
def seeded(entropy: Sequence[int] | None) -> Iterator[None]:
    """Seed the generators that transforms draw from, within a block.

    They are Python's, numpy's and torch's on the CPU. In the main process, which uses them for
    other things too, they are afterwards as they were.

    Args:
        entropy: non-negative integers; None leaves the generators alone.
    """
    if entropy is None:
        yield
        return
    (seed,) = np.random.SeedSequence(entropy).generate_state(1).tolist()
    restore = get_worker_info() is None
    if restore:
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        if restore:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


@DATASETS.register_module()
class SeededDataset:
    """Any map-style dataset, its transforms seeded for each sample by its index.

    To everyone else it is the dataset within: attributes are read from and written to that.

    Args:
        dataset: config of the dataset within.
    """

    def __init__(self, dataset: dict) -> None:
        inner = DATASETS.build(dataset)
        if hasattr(inner, 'full_init'):
            inner.full_init()
        self.__dict__['_inner'] = inner

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> Any:
        """Load a sample.

        Args:
            index: a :class:`~cmae_mm.datasets.sampling.SampleIndex` seeds the transforms.
        """
        with seeded(getattr(index, 'entropy', None)):
            return self._inner[int(index)]

    def __getattr__(self, name: str) -> Any:
        if name == '_inner':  # while it is unpickled
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)
