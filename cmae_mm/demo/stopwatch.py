"""Announcing and timing the stages of a longer job."""

import time

from cmae_mm.engine.console import seconds_shown


class Stopwatch:
    """Announce stages, show their seconds on a terminal, and record how many they took."""

    def __init__(self, stages: int) -> None:
        self.stages = stages
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, work, *args, **kwargs):
        """Announce a stage and return the result of ``work(*args, **kwargs)``."""
        print(f'[{len(self.seconds) + 1}/{self.stages}] {stage}', flush=True)
        start = time.perf_counter()
        with seconds_shown():
            result = work(*args, **kwargs)
        self.seconds[stage] = time.perf_counter() - start
        return result
