"""Checks of batches."""

from mmengine.dist import get_world_size
from torch import Tensor


def require_several(images: Tensor) -> None:
    """Check that losses and norms that compare images have some to compare.

    Args:
        images: of this rank, (N, ...). Batch norm joins ranks on GPUs only.

    Raises:
        ValueError: a single image.
    """
    if len(images) * (get_world_size() if images.is_cuda else 1) < 2:
        raise ValueError(
            'a batch of 1 image: batch norm and InfoNCE compare images; use a '
            'batch_size of at least 2'
        )
