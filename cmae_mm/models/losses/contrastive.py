"""Contrastive losses between online predictions and target projections."""

import torch
from mmengine.dist import all_gather, get_rank
from mmengine.model import BaseModule
from mmpretrain.models.losses import CosineSimilarityLoss
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional as F


@MODELS.register_module()
class InfoNCELoss(BaseModule):
    r"""Cross entropy of cosine similarities, with negatives from all ranks.

    With unit vectors p (online) and z (target) of the M images of all ranks,

    .. math::
        L = -\frac{w}{N} \sum_i \log
            \frac{\exp(p_i \cdot z_i / t)}{\sum_{j=1}^{M} \exp(p_i \cdot z_j / t)}

    (paper, Eq. 4). The released code sets ``w = 2 * t``
    (cmae/models/heads/cmae_head.py at e786a52), the paper none.

    Args:
        temperature: t > 0.
        loss_weight: the factor w.
    """

    def __init__(self, temperature: float = 0.07, loss_weight: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature={temperature}: must be positive')
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, online: Tensor, target: Tensor) -> Tensor:
        """Contrast predictions with the targets of all ranks.

        Args:
            online: predictions, shape (N, D).
            target: projections of the same images in the same order, (N, D);
                receives no gradient.

        Returns:
            Scalar, float32 even under autocast: at t = 0.07 half precision would leave the
            logits a single correct digit.

        Raises:
            ValueError: all ranks together have one image.
        """
        with torch.autocast(online.device.type, enabled=False):
            online = F.normalize(online.float(), dim=1)
            target = F.normalize(target.detach().float(), dim=1)
            targets = torch.cat(all_gather(target))  # (M, D)
            if len(targets) < 2:
                raise ValueError(
                    'InfoNCE over 1 image has no negatives: use a batch size of at least 2'
                )
            logits = self.logits(online, targets)
            labels = torch.arange(len(online), device=online.device)
            labels = labels + len(online) * get_rank()
            return self.loss_weight * F.cross_entropy(logits, labels)

    def logits(self, online: Tensor, targets: Tensor) -> Tensor:
        """Compare unit vectors, (N, D) and (M, D): similarity / temperature, (N, M)."""
        return online @ targets.T / self.temperature


@MODELS.register_module()
class BYOLLoss(CosineSimilarityLoss):
    """Squared distance of unit vectors, ``w * mean(2 - 2 p · z)``, no negatives.

    The form that the paper compares InfoNCE with (Sec. 4.4; BYOL, Eq. 2): the host's cosine
    loss, shifted and scaled.

    Args:
        loss_weight: the factor w.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__(shift_factor=2 * loss_weight, scale_factor=2 * loss_weight)

    def forward(self, online: Tensor, target: Tensor) -> Tensor:
        """Return a scalar in [0, 4 w] for two tensors of shape (N, D)."""
        return super().forward(online.float(), target.detach().float())
