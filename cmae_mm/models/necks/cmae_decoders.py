"""The decoders of the encoder's visible tokens."""

import torch
from mmengine.model import BaseModule
from mmpretrain.models import MAEPretrainDecoder
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..utils.encoder_layer import select, use_encoder_layers
from ..utils.position_embedding import sincos_position_embedding


class _Decoder(MAEPretrainDecoder):
    """mmpretrain's MAE decoder, also for grids that are not square.

    Args:
        grid: patches of an image, (rows, columns).
        num_extra_tokens: 1 if the encoder has a class token, otherwise 0.
        **kwargs: of MAEPretrainDecoder.
    """

    def __init__(self, grid: tuple[int, int], num_extra_tokens: int = 1, **kwargs) -> None:
        super().__init__(num_patches=grid[0] * grid[1], **kwargs)
        use_encoder_layers(self.decoder_blocks)
        self.grid = tuple(grid)
        self.num_extra_tokens = num_extra_tokens
        if not num_extra_tokens:  # the host's always has the position of a class token
            self.decoder_pos_embed = nn.Parameter(
                self.decoder_pos_embed[:, 1:].clone(), requires_grad=False
            )

    def init_weights(self) -> None:
        # The host's own assumes a square grid, so it is skipped on purpose.
        BaseModule.init_weights(self)
        nn.init.normal_(self.mask_token, std=0.02)
        self.decoder_pos_embed.data.copy_(
            sincos_position_embedding(
                self.grid, self.decoder_pos_embed.shape[-1], bool(self.num_extra_tokens)
            )
        )

    def decode(
        self,
        tokens: Tensor,
        ids_restore: Tensor,
        patches: Tensor | None = None,
        with_class_token: bool = False,
    ) -> Tensor:
        """Decode patches up to the last linear layer.

        Args:
            tokens: shape (N, num_extra_tokens + K, D), class token first.
            ids_restore: shape (N, L); see :class:`~cmae_mm.models.utils.PatchMask`.
            patches: int64, shape (N, P); the patches to return, all by default. The last block
                computes no others.
            with_class_token: return the class token, if there is one, before all patches.

        Returns:
            Shape (N, L, decoder width), (N, P, decoder width) or (N, num_extra_tokens + L,
            decoder width).
        """
        x = self.decoder_embed(tokens)
        extra = self.num_extra_tokens
        num_removed = ids_restore.shape[1] + extra - x.shape[1]
        x = torch.cat((x, self.mask_token.expand(len(x), num_removed, -1)), dim=1)
        # the class token stays in front: position 0
        x = select(x, nn.functional.pad(ids_restore + extra, (extra, 0))) + self.decoder_pos_embed
        *blocks, last = self.decoder_blocks
        for block in blocks:
            x = block(x)
        if patches is None:
            x = last(x)[:, 0 if with_class_token else extra :]
        else:
            x = last(x, patches + extra)
        return self.decoder_norm(x)


@MODELS.register_module()
class CMAEPixelDecoder(_Decoder):
    """Decode visible tokens to pixels (paper, Sec. 3.2)."""

    def forward(self, tokens: Tensor, ids_restore: Tensor, patches: Tensor | None = None) -> Tensor:
        """Predict the pixels of all patches, or of some.

        Args:
            tokens, ids_restore, patches: see :meth:`decode`.

        Returns:
            Shape (N, L, patch² * channels) or (N, P, patch² * channels).
        """
        return self.decoder_pred(self.decode(tokens, ids_restore, patches))


@MODELS.register_module()
class CMAEFeatureDecoder(_Decoder):
    """Decode visible tokens to one feature vector per image (paper, Sec. 3.2).

    Args:
        grid: patches of an image, (rows, columns).
        embed_dim: width of the encoder.
        out_channels: width of the output; the encoder's by default, patch² *
            channels in the released code.
        share_weights: share embedding, mask token, the first ``decoder_depth`` blocks and norm
            with the pixel decoder through :meth:`tie`; only the last linear layer is its own
            (an ablation of the paper).
        **kwargs: of MAEPretrainDecoder.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        embed_dim: int,
        out_channels: int | None = None,
        share_weights: bool = False,
        decoder_depth: int = 2,
        **kwargs,
    ) -> None:
        super().__init__(
            grid,
            embed_dim=embed_dim,
            predict_feature_dim=out_channels or embed_dim,
            decoder_depth=decoder_depth,
            **kwargs,
        )
        self.out_channels = out_channels or embed_dim
        self.share_weights = share_weights

    def tie(self, pixel_decoder: CMAEPixelDecoder) -> None:
        """Replace this decoder's tensors by the pixel decoder's.

        Raises:
            ValueError: the pixel decoder has another width or fewer blocks.
        """
        depth = len(self.decoder_blocks)
        own, other = self.mask_token.shape[-1], pixel_decoder.mask_token.shape[-1]
        if own != other or depth > len(pixel_decoder.decoder_blocks):
            raise ValueError(
                f'share_weights: the feature decoder ({depth} blocks, width {own}) '
                'needs a pixel decoder of the same width and at least as many blocks,'
                f' found {len(pixel_decoder.decoder_blocks)} of width {other}'
            )
        self.decoder_embed = pixel_decoder.decoder_embed
        self.mask_token = pixel_decoder.mask_token
        self.decoder_pos_embed = pixel_decoder.decoder_pos_embed
        self.decoder_blocks = pixel_decoder.decoder_blocks[:depth]
        self.add_module(self.decoder_norm_name, pixel_decoder.decoder_norm)

    def forward(self, tokens: Tensor, ids_restore: Tensor) -> Tensor:
        """Average the decoded patches.

        Args:
            tokens, ids_restore: see :meth:`decode`.

        Returns:
            Shape (N, out_channels).
        """
        # The mean commutes with the last linear layer; taking it first saves L - 1 of L
        # products there.
        return self.decoder_pred(self.decode(tokens, ids_restore).mean(dim=1))


@MODELS.register_module()
class TokenDecoder(_Decoder):
    """Decode visible tokens to tokens of another encoder, one per patch and the class token.

    Args:
        grid: patches of an image, (rows, columns).
        out_channels: width of the other encoder.
        **kwargs: of MAEPretrainDecoder.
    """

    def __init__(
        self, grid: tuple[int, int], out_channels: int, decoder_depth: int = 2, **kwargs
    ) -> None:
        super().__init__(
            grid, predict_feature_dim=out_channels, decoder_depth=decoder_depth, **kwargs
        )

    def forward(self, tokens: Tensor, ids_restore: Tensor) -> tuple[Tensor | None, Tensor]:
        """Decode all tokens.

        Args:
            tokens, ids_restore: see :meth:`decode`.

        Returns:
            the class token, (N, out_channels), or None, and the patches, (N, L, out_channels).
        """
        x = self.decoder_pred(self.decode(tokens, ids_restore, with_class_token=True))
        extra = self.num_extra_tokens
        return (x[:, 0] if extra else None), x[:, extra:]
