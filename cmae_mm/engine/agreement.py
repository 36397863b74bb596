"""What each rank knows and all ranks hear at the same step."""

from collections.abc import Sequence
from datetime import timedelta

import torch
from mmengine.dist import get_world_size
from torch import Tensor, distributed

PEER_TIMEOUT = 300  # seconds after which a rank that does not answer is taken for lost


class Agreement:
    """Integers that every rank gives after each step, and that all ranks get added up or the like.

    They travel between processors while the next step computes, so no device waits for them:
    the answer is one step late where there are several ranks. A rank that hears nothing from
    another one raises an error instead of waiting for ever.

    Args:
        operation: 'SUM' or 'MAX', over the ranks.
        length: how many integers.
        timeout: seconds to wait for the other ranks.
    """

    def __init__(self, operation: str, length: int, timeout: float = PEER_TIMEOUT) -> None:
        self.operation = getattr(distributed.ReduceOp, operation)
        self.timeout = timedelta(seconds=timeout)
        self.alone = get_world_size() == 1
        # gloo also where the gradients travel by NCCL, which would occupy the device
        self.group = (
            None if self.alone else distributed.new_group(backend='gloo', timeout=self.timeout)
        )
        self.sent = torch.zeros(length, dtype=torch.int64)
        self.work: distributed.Work | None = None

    def exchange(self, values: Sequence[int]) -> list[int]:
        """Give this step's integers; return those of all ranks, of the step before.

        In a single process they are this step's.

        Raises:
            RuntimeError: another rank has ended, or did not answer in time.
        """
        if self.alone:
            return list(values)
        answer = self._hear()
        self.sent = torch.tensor(values)
        self.work = distributed.all_reduce(
            self.sent, self.operation, group=self.group, async_op=True
        )
        return answer.tolist()

    def meet(self) -> None:
        """Wait until all ranks are here."""
        if not self.alone:
            distributed.barrier(self.group)

    def _hear(self) -> Tensor:
        if self.work is None:
            return self.sent
        try:
            self.work.wait(self.timeout)
        except RuntimeError as error:
            raise RuntimeError(
                f'lost contact with another rank: it ended, or did not answer for '
                f'{self.timeout.total_seconds():.0f} s (peer_timeout of StopHook); its log says '
                f'why, --resume goes on from the last checkpoint ({error})'
            ) from None
        return self.sent
