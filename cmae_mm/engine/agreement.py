"""What ranks tell each other beside the gradients."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, get_world_size, is_main_process
from torch import Tensor, distributed

from .console import without_native_output

PEER_TIMEOUT = 300  # seconds after which a rank that does not answer is taken for lost


class Agreement:
    """Integers that every rank gives after each step, and that all ranks get added up or the like.

    They travel between processors while the next step computes, so no device waits for them:
    the answer is one step late where there are several ranks. A rank that hears nothing from
    another one raises an error instead of waiting for ever.

    Args:
        operation: 'SUM' or 'MAX', over the ranks.
        timeout: seconds to wait for the other ranks.
    """

    def __init__(self, operation: str, timeout: float = PEER_TIMEOUT) -> None:
        self.operation = getattr(distributed.ReduceOp, operation)
        self.timeout = timedelta(seconds=timeout)
        self.alone = get_world_size() == 1
        # gloo also where the gradients travel by NCCL, which would occupy the device
        with without_native_output():
            self.group = (
                None if self.alone else distributed.new_group(backend='gloo', timeout=self.timeout)
            )
        self.last: tuple[Tensor, distributed.Work] | None = None

    def exchange(self, values: Sequence[int]) -> list[int]:
        """Give this step's integers; return those of all ranks, of the step before.

        In a single process they are this step's; with several ranks the first step hears zeros.

        Raises:
            RuntimeError: another rank has ended, or did not answer in time.
        """
        if self.alone:
            return list(values)
        answer = self._hear(*self.last) if self.last else [0] * len(values)
        sent = torch.tensor(values)
        work = distributed.all_reduce(sent, self.operation, group=self.group, async_op=True)
        self.last = sent, work
        return answer

    def meet(self) -> None:
        """Wait until all ranks are here."""
        if not self.alone:
            distributed.barrier(self.group)

    def _hear(self, sent: Tensor, work: distributed.Work) -> list[int]:
        try:
            work.wait(self.timeout)
        except RuntimeError as error:
            raise RuntimeError(
                f'lost contact with another rank, which was waited for up to '
                f'{self.timeout.total_seconds():.0f} s (peer_timeout of StopHook): {error}'
            ) from None
        return sent.tolist()


def on_main_process(function: Callable[[], Any]) -> Any:
    """Call a function on rank 0; its result, or its error, is that of all ranks.

    Raises:
        Exception: whatever the function raises.
    """
    outcome: list[Any] = [None, None]
    if is_main_process():
        try:
            outcome[0] = function()
        except Exception as error:
            outcome[1] = error
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
