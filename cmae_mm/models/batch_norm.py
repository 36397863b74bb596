"""Batch norm of the projector and the predictor."""

from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class CrossRankBN(nn.SyncBatchNorm):
    """Batch norm across ranks where there are ranks on GPUs, plain otherwise.

    torch's SyncBatchNorm refuses CPU tensors as soon as there are several
    ranks; this one then normalises each rank's own batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, C) to (N, C).

        Raises:
            ValueError: training on the CPU with a batch of one.
        """
        if x.is_cuda:
            return super().forward(x)
        if self.training and len(x) < 2:
            raise ValueError(
                'batch norm over 1 sample: use a batch size of at least 2'
            )
        return super(nn.SyncBatchNorm, self).forward(x)
