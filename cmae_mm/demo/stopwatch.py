"""How long the stages of a longer job take, said while it runs."""

import time


class Stopwatch:
    """Announces stages and keeps how long they took, in seconds."""

    def __init__(self, stages: int) -> None:
        self.stages = stages
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, work, *args, **kwargs):
        """Announce a stage and return what ``work(*args, **kwargs)`` does."""
        print(f'[{len(self.seconds) + 1}/{self.stages}] {stage}', flush=True)
        start = time.perf_counter()
        result = work(*args, **kwargs)
        self.seconds[stage] = time.perf_counter() - start
        return result
