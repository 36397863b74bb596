"""Random numbers that depend on what they are for, not on who draws them or when."""

import contextlib
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
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
