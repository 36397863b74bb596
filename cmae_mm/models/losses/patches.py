"""Losses between predicted tokens of patches and a teacher's."""

import torch
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional as F


@MODELS.register_module()
class PatchInfoNCELoss(BaseModule):
    r"""Tell the teacher's token at a patch's own position from those of other positions.

    With unit vectors q (predictions) and k (teacher's tokens),

    .. math::
        L = -\frac{w}{P} \sum_p \log \frac{\exp(q_p \cdot k_p / t)}{\sum_j \exp(q_p \cdot k_j / t)}

    where j runs over all patches of the same image (as in ConMIM, arXiv 2205.09616, whose teacher
    moves), or of all images of this rank's batch. Keys are not gathered over ranks: the loss of
    an image's own keys needs no others, and those of a whole batch would be too many.

    Args:
        temperature: t > 0.
        keys: 'image' or 'batch'.
        loss_weight: the factor w.

    Raises:
        ValueError: temperature not positive, or unknown keys.
    """

    def __init__(
        self, temperature: float = 0.1, keys: str = 'image', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature={temperature}: must be positive')
        if keys not in ('image', 'batch'):
            raise ValueError(f"keys={keys!r}: choose 'image' or 'batch'")
        self.temperature = temperature
        self.keys = keys
        self.loss_weight = loss_weight

    def forward(self, predictions: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:
        """Contrast predictions with the teacher's tokens.

        Args:
            predictions: of P patches of each image, (N, P, D).
            tokens: the teacher's, of all L patches, (N, L, D); receive no gradient.
            positions: of the predicted patches among all, int64 (N, P).

        Returns:
            Scalar, float32 even under autocast.
        """
        with torch.autocast(predictions.device.type, enabled=False):
            queries = F.normalize(predictions.float(), dim=2)
            keys = F.normalize(tokens.detach().float(), dim=2)
            if self.keys == 'batch':
                start = torch.arange(len(keys), device=keys.device) * keys.shape[1]
                positions = positions + start[:, None]
                queries, keys = queries.flatten(0, 1)[None], keys.flatten(0, 1)[None]
            logits = queries @ keys.transpose(1, 2) / self.temperature
            loss = F.cross_entropy(logits.flatten(0, 1), positions.flatten())
            return self.loss_weight * loss


@MODELS.register_module()
class PatchSmoothL1Loss(BaseModule):
    """Regress the teacher's tokens, normalised over channels, without negatives.

    The ablation of the contrast; dBOT's loss (arXiv 2209.03917: beta 2, normalised targets).

    Args:
        beta: above this distance the loss is linear.
        loss_weight: of the term.
    """

    def __init__(self, beta: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.beta = beta
        self.loss_weight = loss_weight

    def forward(self, predictions: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return a scalar; arguments are those of :class:`PatchInfoNCELoss`."""
        with torch.autocast(predictions.device.type, enabled=False):
            targets = F.layer_norm(tokens.detach().float(), tokens.shape[-1:])
            targets = targets.take_along_dim(positions[..., None], dim=1)  # (N, P, D)
            loss = F.smooth_l1_loss(predictions.float(), targets, beta=self.beta)
            return self.loss_weight * loss
