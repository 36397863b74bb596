"""The reconstruction of removed patches."""

import torch
from mmpretrain.models import MAEPretrainHead
from mmpretrain.registry import MODELS
from torch import Tensor

from ..utils.encoder_layer import select
from ..utils.masking import PatchMask, removed_patches


@MODELS.register_module()
class ReconstructionHead(MAEPretrainHead):
    """mmpretrain's head of MAE, also for images that are not square and any number of channels.

    Args:
        grid: patches of an image, (rows, columns).
        loss: config of the reconstruction loss on (N, L, patch² * channels).
        loss_weight: of that loss.
        norm_pix: reconstruct patch-normalised pixels (unbiased variance, eps 1e-6, as MAE and
            the released code do) instead of normalised images.
        patch_size: side of a patch, in pixels.
        in_channels: channels of the image.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        loss: dict = dict(type='PixelReconstructionLoss', criterion='L2'),  # noqa: B006
        loss_weight: float = 1.0,
        norm_pix: bool = True,
        patch_size: int = 16,
        in_channels: int = 3,
    ) -> None:
        super().__init__(loss, norm_pix=norm_pix, patch_size=patch_size, in_channels=in_channels)
        self.grid = tuple(grid)
        self.loss_weight = loss_weight
        self.out_channels = patch_size**2 * in_channels

    def patchify(self, imgs: Tensor) -> Tensor:
        """Cut (N, C, H, W) into (N, L, p * p * C), patches in row-major order."""
        (rows, cols), p = self.grid, self.patch_size
        x = imgs.reshape(len(imgs), self.in_channels, rows, p, cols, p)
        return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)

    def unpatchify(self, x: Tensor) -> Tensor:
        """Join (N, L, p * p * C) to (N, C, H, W), the inverse of :meth:`patchify`."""
        (rows, cols), p = self.grid, self.patch_size
        x = x.reshape(len(x), rows, cols, p, p, self.in_channels)
        x = x.permute(0, 5, 1, 3, 2, 4)  # (N, C, rows, p, cols, p)
        return x.reshape(len(x), self.in_channels, rows * p, cols * p)

    def loss(self, pixels: Tensor, images: Tensor, patch_mask: PatchMask) -> Tensor:
        """Compare predictions with the removed patches.

        Args:
            pixels: of the removed patches, (N, L - K, p * p * C).
            images: the images, (N, C, H, W).
            patch_mask: of the images.

        Returns:
            the weighted loss, a scalar.
        """
        # float32 under autocast too: the sum over patches overflows float16
        with torch.autocast(pixels.device.type, enabled=False):
            target = self.construct_target(images.float())
            removed = select(target, removed_patches(patch_mask))
            loss = self.loss_module(pixels.float(), removed, pixels.new_ones(removed.shape[:2]))
        return self.loss_weight * loss

    def images(self, pixels: Tensor, images: Tensor) -> Tensor:
        """Turn predictions into images in the space of the normalised input.

        Args:
            pixels: output of the pixel decoder, (N, L, p * p * C).
            images: the images that they predict, (N, C, H, W): with ``norm_pix`` each patch
                takes their mean and deviation, which the model does not predict.
        """
        if self.norm_pix:
            patches = self.patchify(images)
            mean = patches.mean(dim=-1, keepdim=True)
            var = patches.var(dim=-1, keepdim=True)
            pixels = pixels * (var + 1e-6).sqrt() + mean
        return self.unpatchify(pixels)

    def pixel_mask(self, patch_mask: PatchMask) -> Tensor:
        """Return which pixels are removed, (N, 1, H, W), 1 = removed."""
        mask = patch_mask.mask.view(-1, 1, *self.grid)
        return mask.repeat_interleave(self.patch_size, 2).repeat_interleave(self.patch_size, 3)
