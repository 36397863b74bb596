"""Large batches in the memory of small ones."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cmae_mm.compat import is_compiling

Result = TypeVar('Result')  # a tensor, or a (named) tuple of results


def in_micro_batches(
    function: Callable[[Tensor], Result], size: int | None, images: Tensor
) -> Result:
    """Apply a function to parts of a batch, one at a time, and join the results.

    No more than one part's activations exist at a time: they are dropped after the forward pass
    and computed anew, with the same random numbers and precision, when the backward pass reaches
    their part. What follows, such as batch norm or a contrastive loss, sees the whole batch, so
    that its gradients are exact (GradCache, arXiv 2101.06983, Sec. 3.2, as activation
    checkpointing: the backward pass remains a single one, to which gradient scaling and the
    exchange of gradients between ranks apply as usual).

    Args:
        function: treats images independently of each other; its tensors have the batch first.
        size: images per part; None, or at least the batch's, calls the function once.
        images: shape (N, ...).
    """
    if size is None or len(images) <= size:
        return function(images)
    results = []
    for part in images.split(size):
        results.append(checkpoint(function, part, use_reentrant=False))
        # Weights in half precision are not shared by the parts: their gradients, which would be
        # summed in half precision, too, are summed in the weights' own.
        if not is_compiling():
            torch.clear_autocast_cache()
    return _join(results)


def _join(results: list) -> Any:
    first = results[0]
    if isinstance(first, Tensor):
        return torch.cat(results)
    fields = (_join(list(same)) for same in zip(*results, strict=True))
    return type(first)(*fields) if hasattr(first, '_fields') else type(first)(fields)
