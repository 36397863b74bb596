"""The regressor and the decoder of CAE, which work on the removed patches."""

import numpy as np
import torch
from mmpretrain.models import CAENeck
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.necks.cae_neck import CAETransformerRegressorLayer
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..utils.cross_attention import CrossAttention
from ..utils.encoder_layer import select, use_encoder_layers
from ..utils.masking import PatchMask, removed_patches
from ..utils.position_embedding import sincos_position_embedding


@MODELS.register_module()
class CAERegressorDecoder(CAENeck):
    """Predict the representations of removed patches, and from them the targets.

    The host's neck for any number of removed patches, grids that are not square, and a width
    that is not the encoder's: then visible tokens pass a linear layer and a norm first (released
    code, models/modeling_cae.py at d725971, which Large would need).

    Args:
        grid: patches of an image, (rows, columns).
        encoder_dims: width of the encoder.
        out_channels: of a prediction: size of the vocabulary, or numbers in a patch.
        embed_dims: width of regressor and decoder; the encoder's by default.
        num_heads: of both.
        regressor_depth: number of cross-attention blocks.
        decoder_depth: number of self-attention blocks.
        mlp_ratio: width of an MLP relative to ``embed_dims``.
        drop_path_rate: of the last block of either; 0 at the first.
        layer_scale_init_value: initial scale of both branches of a block; 0 means no scale.
        init_cfg: as everywhere in mmengine.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        encoder_dims: int,
        out_channels: int,
        embed_dims: int | None = None,
        num_heads: int = 12,
        regressor_depth: int = 4,
        decoder_depth: int = 4,
        mlp_ratio: float = 4,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 0.1,
        init_cfg=None,
    ) -> None:
        width = embed_dims or encoder_dims
        super().__init__(
            num_classes=out_channels,
            embed_dims=width,
            regressor_depth=0,
            decoder_depth=0,
            init_cfg=init_cfg,
        )
        layer = dict(
            embed_dims=width,
            num_heads=num_heads,
            feedforward_channels=int(mlp_ratio * width),
            layer_scale_init_value=layer_scale_init_value,
            norm_cfg=dict(type='LN', eps=1e-6),
        )

        def stack(kind: type[nn.Module], depth: int) -> nn.ModuleList:
            rates = np.linspace(0, drop_path_rate, depth).tolist()
            return nn.ModuleList(kind(drop_path_rate=rate, **layer) for rate in rates)

        self.regressors = stack(RegressorLayer, regressor_depth)
        self.decoders = stack(TransformerEncoderLayer, decoder_depth)
        use_encoder_layers(self.decoders)
        if width != encoder_dims:
            self.encoder_to_decoder = nn.Linear(encoder_dims, width)
            self.encoder_to_decoder_norm = nn.LayerNorm(width, eps=1e-6)
        else:
            self.encoder_to_decoder = self.encoder_to_decoder_norm = nn.Identity()
        positions = sincos_position_embedding(tuple(grid), width, class_token=False)
        self.register_buffer('pos_embed', positions, persistent=False)  # (1, L, D)

    def project(self, tokens: Tensor) -> Tensor:
        """Bring the encoder's tokens to this neck's width, (..., encoder_dims) to (..., D)."""
        return self.encoder_to_decoder_norm(self.encoder_to_decoder(tokens))

    def forward(self, visible: Tensor, patch_mask: PatchMask) -> tuple[Tensor, Tensor]:
        """Predict targets and representations of the removed patches.

        Args:
            visible: the encoder's tokens of the visible patches, in the mask's order, without
                the class token, (N, K, encoder_dims).
            patch_mask: of the images.

        Returns:
            predictions, (N, L - K, out_channels), and representations, (N, L - K, D), of
            the removed patches in the mask's order.
        """
        visible = self.project(visible)
        removed = removed_patches(patch_mask)
        positions = self.pos_embed.expand(len(visible), -1, -1)
        pos_removed = select(positions, removed)
        pos_all = torch.cat((select(positions, patch_mask.ids_keep), pos_removed), dim=1)
        x = self.mask_token.expand_as(pos_removed)
        for regressor in self.regressors:
            x = regressor(x, torch.cat((visible, x), dim=1), pos_removed, pos_all)
        latent = self.norm_regressor(x)
        x = latent + pos_removed
        for decoder in self.decoders:
            x = decoder(x)
        return self.head(self.norm_decoder(x)), latent


class RegressorLayer(CAETransformerRegressorLayer):
    """The host's layer, with fused attention."""

    def __init__(self, embed_dims: int, num_heads: int, **kwargs) -> None:
        super().__init__(embed_dims, num_heads, **kwargs)
        self.cross_attn = CrossAttention(embed_dims, num_heads)
