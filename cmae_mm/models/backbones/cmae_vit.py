"""The encoder: mmpretrain's Vision Transformer on the visible patches only."""

import torch
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..utils.build import note_small_arch
from ..utils.encoder_layer import select, use_encoder_layers
from ..utils.masking import PatchMask, PatchMasking
from ..utils.patch_projection import use_patch_projection
from ..utils.plain import as_vision_transformer
from ..utils.position_embedding import sincos_position_embedding


@MODELS.register_module()
class CMAEViT(VisionTransformer):
    """Vision Transformer whose :meth:`encode` masks the image.

    Its tensors have the names and shapes of ``mmpretrain.VisionTransformer``. Called as a module
    it is that VisionTransformer, applied to the whole image.

    Args:
        arch: 'deit-s' (ViT-S of the MAE family: width 384; mmpretrain's own
            's' has width 768), 'b', 'l', 'h', or a dict of sizes.
        img_size: (height, width) or one number, in pixels.
        patch_size: side of a patch, in pixels.
        in_channels: channels of the image.
        mask_ratio: fraction of patches that :meth:`encode` removes (paper, Sec. 4.1: 0.75;
            released code: 0.65).
        mask_block: side of a masked block, in patches (paper: 1; released: 2).
        out_type: form of the output of ``forward``; see VisionTransformer.
        **kwargs: further fields of VisionTransformer.

    Raises:
        ValueError: the image size is not divisible by the patch size, blocks don't tile the
            grid, or the ratio leaves no visible or no removed patch.
    """

    def __init__(
        self,
        arch='b',
        img_size=224,
        patch_size: int = 16,
        in_channels: int = 3,
        mask_ratio: float = 0.75,
        mask_block: int = 1,
        out_type: str = 'raw',
        **kwargs,
    ) -> None:
        height, width = to_2tuple(img_size)
        if height % patch_size or width % patch_size:
            raise ValueError(
                f'image size {height}x{width} is not divisible by '
                f'patch_size={patch_size}: change img_size (and the crop size of '
                'the data pipeline) or patch_size'
            )
        note_small_arch(arch)
        super().__init__(
            arch,
            img_size=(height, width),
            patch_size=patch_size,
            in_channels=in_channels,
            out_type=out_type,
            **kwargs,
        )
        use_encoder_layers(self.layers)
        use_patch_projection(self.patch_embed)
        self.patch_size = patch_size
        self.in_channels = in_channels
        self.mask_ratio = mask_ratio
        self.masking = PatchMasking(self.patch_resolution, mask_ratio, mask_block)
        for module in self.modules():
            if isinstance(module, DropPath):  # numpy's numbers end a graph of torch.compile
                module.drop_prob = float(module.drop_prob)
        # sine-cosine, fixed in pre-training (MAE's recipe)
        self.pos_embed.requires_grad = False

    def init_weights(self) -> None:
        super().init_weights()
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            return
        self.init_patch_embed()
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)
        self.pos_embed.data.copy_(
            sincos_position_embedding(
                self.patch_resolution, self.embed_dims, self.cls_token is not None
            )
        )

    def init_patch_embed(self) -> None:
        """Initialise the patch embedding as the linear layer that it is."""
        nn.init.xavier_uniform_(self.patch_embed.projection.weight.flatten(1))

    @staticmethod
    def plain_config(config: dict) -> dict:
        """Return the config of the same encoder without masks."""
        return as_vision_transformer(config)

    def encode(
        self, images: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, PatchMask | None]:
        """Encode the visible patches (all of them, in order, if mask_ratio is 0).

        Args:
            images: shape (N, C, H, W), normalised.
            noise: shape (N, blocks), in [0, 1); drawn from torch's generator if None.

        Returns:
            tokens, shape (N, num_extra_tokens + K, D), the class token first, and the mask
            (None at mask_ratio 0).

        Raises:
            ValueError: images of another size or number of channels.
        """
        patch_mask = self._draw_mask(images, noise) if self.mask_ratio else None
        return self.encode_visible(images, patch_mask), patch_mask

    def encode_visible(self, images: Tensor, patch_mask: PatchMask | None) -> Tensor:
        """Encode the visible patches of a mask, or all; see :meth:`encode`."""
        self.require_size(images)
        if patch_mask is None:
            return super().forward(images)[-1]
        x = self.patch_embed(images)[0] + self.pos_embed[:, self.num_extra_tokens :]  # (N, L, D)
        return self._encode_patches(select(x, patch_mask.ids_keep))

    def encode_with_mask_tokens(
        self, images: Tensor, mask_token: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, PatchMask]:
        """Encode all patches, a token in place of those removed (SimMIM, arXiv 2111.09886).

        Args:
            images, noise: as of :meth:`encode`.
            mask_token: shape (1, 1, D).

        Returns:
            tokens, shape (N, num_extra_tokens + L, D), and the mask.

        Raises:
            ValueError: as of :meth:`encode`; or an encoder without a plain patch embedding, in
                which neighbours would see what was removed.
        """
        if type(self.patch_embed) is not PatchEmbed:
            raise ValueError(
                f'{type(self).__name__} cannot replace removed patches by mask tokens: its '
                'patches see their neighbours; encode visible tokens only'
            )
        self.require_size(images)
        patch_mask = self._draw_mask(images, noise)
        x = torch.where(patch_mask.mask[..., None] > 0, mask_token, self.patch_embed(images)[0])
        x = x + self.pos_embed[:, self.num_extra_tokens :]
        return self._encode_patches(x), patch_mask

    def _encode_patches(self, x: Tensor) -> Tensor:
        """Run embedded patches, (N, K, D), with the class token through all blocks."""
        if self.cls_token is not None:
            cls_token = self.cls_token + self.pos_embed[:, : self.num_extra_tokens]
            x = torch.cat((cls_token.expand(len(x), -1, -1), x), dim=1)
        x = self.run_layers(x)
        return self.ln1(x) if self.final_norm else x

    def run_layers(self, x: Tensor) -> Tensor:
        """Apply the blocks to embedded tokens, (N, K, D), up to the final norm."""
        x = self.pre_norm(self.drop_after_pos(x))
        for layer in self.layers:
            x = layer(x)
        return x

    def _draw_mask(self, images: Tensor, noise: Tensor | None) -> PatchMask:
        if noise is None:
            noise = self.masking.noise(len(images), images.device)
        return self.masking(noise)

    def require_size(self, images: Tensor) -> None:
        expected = (self.in_channels, *self.img_size)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(
                f'images have shape (C, H, W) = {tuple(images.shape[1:])}, the encoder expects '
                f'{expected}: make img_size and in_channels of the backbone agree with the crop '
                'size of the data pipeline'
            )
