"""InfoNCE with the targets of past batches as further negatives."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from .contrastive import InfoNCELoss


@MODELS.register_module()
class QueuedInfoNCELoss(InfoNCELoss):
    """InfoNCE with a queue of the last targets of all ranks (MoCo, arXiv 1911.05722, Sec. 3.2).

    Made for targets that don't change, those of a frozen teacher: what is in the queue never
    ages. An image must not meet itself there: the queue has to be smaller than the data set by
    at least a batch. With ``queue_size=0`` this is :class:`InfoNCELoss`.

    The queue is filled in training mode only, after the loss; it is part of checkpoints, and the
    same on all ranks.

    Args:
        temperature, loss_weight: of InfoNCELoss.
        queue_size: number of past targets.
        in_channels: D; needed if there is a queue.

    Raises:
        ValueError: a negative size, or a queue without ``in_channels``.
    """

    def __init__(
        self,
        temperature: float = 0.2,
        loss_weight: float = 1.0,
        queue_size: int = 0,
        in_channels: int | None = None,
    ) -> None:
        super().__init__(temperature, loss_weight)
        if queue_size < 0 or (queue_size and not in_channels):
            raise ValueError(
                f'queue_size={queue_size}, in_channels={in_channels}: expected a size of 0 or '
                'more and, for a queue, the width of the targets'
            )
        self.queue_size = queue_size
        if queue_size:
            self.register_buffer('queue', torch.zeros(queue_size, in_channels))
            self.register_buffer('enqueued', torch.zeros((), dtype=torch.long))

    def logits(self, online: Tensor, targets: Tensor) -> Tensor:
        """Similarities to the targets of this batch, (N, M), then to the queue, (N, queue_size).

        Entries not filled yet count as infinitely far away.
        """
        logits = super().logits(online, targets)
        if not self.queue_size:
            return logits
        # a copy: the entries change before the backward pass
        past = super().logits(online, self.queue.clone())
        empty = torch.arange(self.queue_size, device=past.device) >= self.enqueued
        if self.training:
            self._enqueue(targets)
        return torch.cat((logits, past.masked_fill(empty, -torch.inf)), dim=1)

    @torch.no_grad()
    def _enqueue(self, targets: Tensor) -> None:
        """Replace the oldest entries; positions stay on the device, which is not waited for.

        What is not finite replaces nothing: its own step is left out, and so would be every step
        for as long as it stayed in the queue.
        """
        targets = targets[-self.queue_size :]
        positions = torch.arange(len(targets), device=targets.device) + self.enqueued
        positions = positions % self.queue_size
        finite = targets.isfinite().all(dim=1, keepdim=True)
        self.queue[positions] = torch.where(finite, targets, self.queue[positions])
        self.enqueued += len(targets)
