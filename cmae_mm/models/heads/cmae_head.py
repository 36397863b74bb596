"""The two losses of CMAE: reconstruction and contrast."""

from mmpretrain.registry import MODELS
from torch import Tensor

from ..utils.masking import PatchMask
from .reconstruction_head import ReconstructionHead


@MODELS.register_module()
class CMAEPretrainHead(ReconstructionHead):
    """Reconstruct removed patches and contrast images with the target.

    Args:
        predictor: config of the predictor, a ``NonLinearNeck`` from projections
            to projections (``in_channels`` is its ``out_channels``).
        contrastive: config of the contrastive loss on (N, D); its
            ``loss_weight`` is the weight of the term.
        **kwargs: of :class:`~.reconstruction_head.ReconstructionHead`, ``loss_weight`` of the
            reconstruction term among them.
    """

    def __init__(self, predictor: dict, contrastive: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.predictor = MODELS.build({'in_channels': predictor['out_channels'], **predictor})
        self.contrastive = MODELS.build(contrastive)

    def loss(
        self,
        pixels: Tensor,
        images: Tensor,
        patch_mask: PatchMask,
        online: Tensor,
        target: Tensor,
    ) -> dict[str, Tensor]:
        """Compute both losses of a batch.

        Args:
            pixels: of the removed patches, (N, L - K, p * p * C).
            images: the online view, (N, C, H, W).
            patch_mask: of the online view.
            online: output of the projector, (N, D).
            target: output of the target projector, (N, D).

        Returns:
            ``loss_rc`` and ``loss_ct``, weighted, to be summed.
        """
        loss_rc = super().loss(pixels, images, patch_mask)
        loss_ct = self.contrastive(self.predictor((online,))[0], target)
        return {'loss_rc': loss_rc, 'loss_ct': loss_ct}
