"""Masked autoencoders: MAE, arXiv 2111.06377, and ConvMAE, arXiv 2205.03892."""

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from ..utils.build import build_derived, decoder_sizes, head_sizes
from ..utils.masking import removed_patches


@MODELS.register_module()
class MaskedReconstruction(BaseSelfSupervisor):
    """Encode the visible patches, decode them, reconstruct the others.

    The encoder makes it one method or the other. Sizes that follow from it are derived.

    Args:
        backbone: config of an encoder with ``encode``, such as ``HybridViT``.
        neck: config of a ``CMAEPixelDecoder``.
        head: config of a ``ReconstructionHead``.
        data_preprocessor: config of a ``CMAEDataPreprocessor`` with one view.
        init_cfg: as everywhere in mmengine.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        data_preprocessor: dict | None = None,
        init_cfg=None,
    ) -> None:
        super().__init__(backbone, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.neck = build_derived(neck, **decoder_sizes(self.backbone))
        self.head = build_derived(head, **head_sizes(self.backbone))

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None
    ) -> dict[str, Tensor]:
        """Compute the loss of one training step.

        Args:
            inputs: images, (N, C, H, W), normalised.
            data_samples: not used.

        Returns:
            ``loss``, a scalar.
        """
        tokens, patch_mask = self.backbone.encode(inputs)
        pixels = self.neck(tokens, patch_mask.ids_restore, removed_patches(patch_mask))
        return {'loss': self.head.loss(pixels, inputs, patch_mask)}

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mask images at random and reconstruct them; see :meth:`.cmae.CMAE.reconstruct`."""
        tokens, patch_mask = self.backbone.encode(images)
        pixels = self.neck(tokens, patch_mask.ids_restore)
        return self.head.images(pixels.float(), images), self.head.pixel_mask(patch_mask)
