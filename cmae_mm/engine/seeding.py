"""The seed of a run and of each of its steps."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.runner import Runner


def base_seed(runner: Runner) -> int:
    """Return the seed of a run, the same on all ranks."""
    shifted = runner._randomness_cfg.get('diff_rank_seed', False)
    return runner.seed - get_rank() if shifted else runner.seed


def seed_step(seed: int, iteration: int, rank: int) -> None:
    """Seed the generators of Python, numpy and torch on all devices for one training step.

    Masks, drop path and whatever else a step draws then depend on these numbers alone: not on
    what ran before, nor on where the run was resumed. No state needs to be saved.

    Args:
        seed: of the run.
        iteration: steps before this one.
        rank: 0 on all ranks lets them draw the same numbers.
    """
    # four words: the step's own stream, apart from those of samples, which have three
    words = np.random.SeedSequence((seed, iteration, rank, 0)).generate_state(2).tolist()
    random.seed(words[0])
    np.random.seed(words[0])
    torch.manual_seed(words[0] << 32 | words[1])
