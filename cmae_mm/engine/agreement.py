"""What one rank wants and all ranks do at the same step."""

from datetime import timedelta

import torch
from mmengine.dist import get_world_size
from torch import Tensor, distributed


class Agreement:
    """A number that every rank gives after each step, and whose maximum all ranks get.

    It travels between processors while the next step computes, so no device waits for it: the
    answer is one step late where there are several ranks. A rank that hears nothing from
    another one raises an error instead of waiting for ever.

    Args:
        timeout: seconds to wait for the other ranks.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timedelta(seconds=timeout)
        self.alone = get_world_size() == 1
        # gloo also where the gradients travel by NCCL, which would occupy the device
        self.group = (
            None if self.alone else distributed.new_group(backend='gloo', timeout=self.timeout)
        )
        self.last: tuple[Tensor, distributed.Work] | None = None

    def maximum(self, value: int) -> int:
        """Give this step's number; return the maximum over all ranks, of the step before.

        In a single process it is this step's number.

        Raises:
            RuntimeError: another rank has ended, or did not answer in time.
        """
        if self.alone:
            return value
        answer = self._hear()
        tensor = torch.tensor(value)
        work = distributed.all_reduce(
            tensor, distributed.ReduceOp.MAX, group=self.group, async_op=True
        )
        self.last = tensor, work
        return answer

    def meet(self) -> None:
        """Wait until all ranks are here."""
        if not self.alone:
            distributed.barrier(self.group)

    def _hear(self) -> int:
        if self.last is None:
            return 0
        tensor, work = self.last
        try:
            work.wait(self.timeout)
        except RuntimeError as error:
            raise RuntimeError(
                f'lost contact with another rank: it ended, or did not answer for '
                f'{self.timeout.total_seconds():.0f} s (peer_timeout of StopHook); its log says '
                f'why, --resume goes on from the last checkpoint ({error})'
            ) from None
        return int(tensor)
