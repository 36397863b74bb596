"""The hybrid encoder: convolutions, then the Vision Transformer (ConvMAE, arXiv 2205.03892)."""

from collections.abc import Sequence
from math import prod

import numpy as np
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..utils.encoder_layer import select
from ..utils.masking import PatchMask
from .cmae_vit import CMAEViT
from .conv_patch_embed import ConvPatchEmbed


def _arch(conv_dims: tuple, embed_dims: int, num_layers: int, num_heads: int) -> dict:
    return dict(
        conv_dims=conv_dims,
        conv_layers=(2, 2),
        embed_dims=embed_dims,
        num_layers=num_layers,
        num_heads=num_heads,
        feedforward_channels=4 * embed_dims,
    )


ARCHS = {
    's': _arch((128, 256), 384, 11, 6),
    'b': _arch((256, 384), 768, 11, 12),
    'l': _arch((384, 768), 1024, 23, 16),
}


class ConvStem:
    """Mixed into a Vision Transformer: stages of convolutions embed its patches.

    There is no class token. Layers and final norm keep the host's names; the stages are all of
    ``patch_embed``, so that the host freezes them, and gives them the lowest learning rate of a
    layer-wise decay, as it does with the patch embedding of a Vision Transformer. Those are the
    depths of the released code.

    Args:
        arch: 's', 'b', 'l', or a dict of ``conv_dims`` and ``conv_layers`` (widths and depths of
            the stages) and VisionTransformer's fields.
        img_size: (height, width) or one number, in pixels.
        in_channels: channels of the image.
        strides: of the embeddings of the stages and of the tokens; their product is the patch
            size.
        drop_path_rate: of the last block; it rises from 0 over those of the stages, too.
        **kwargs: of the Vision Transformer.

    Raises:
        ValueError: the image size is not divisible by the strides, an unknown ``arch``, or
            another number of strides than one for each stage and one for the tokens.
    """

    OUT_TYPES = frozenset({'raw', 'featmap', 'avg_featmap'})

    def __init__(
        self,
        arch: str | dict = 'b',
        img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        strides: Sequence[int] = (4, 2, 2),
        drop_path_rate: float = 0.0,
        **kwargs,
    ) -> None:
        sizes = _sizes(arch)
        conv_dims, conv_layers = sizes.pop('conv_dims'), sizes.pop('conv_layers')
        height, width = to_2tuple(img_size)
        patch_size = prod(strides)
        if not len(strides) - 1 == len(conv_dims) == len(conv_layers):
            raise ValueError(
                f'strides={tuple(strides)} for {len(conv_dims)} conv_dims and {len(conv_layers)} '
                'conv_layers: expected one for each stage and one for the tokens'
            )
        if height % patch_size or width % patch_size:
            raise ValueError(
                f'image size {height}x{width} is not divisible by {patch_size}, the product of '
                f'strides={tuple(strides)} of the stages: change img_size (and the crop size of '
                'the data pipeline) or strides'
            )
        convs = sum(conv_layers)
        rates = np.linspace(0, drop_path_rate, convs + sizes['num_layers']).tolist()
        super().__init__(
            arch=sizes,
            img_size=(height, width),
            patch_size=patch_size,
            in_channels=in_channels,
            with_cls_token=False,
            layer_cfgs=[dict(drop_path_rate=rate) for rate in rates[convs:]],
            **kwargs,
        )
        self.patch_embed = ConvPatchEmbed(
            (height, width),
            in_channels,
            (*conv_dims, self.embed_dims),
            conv_layers,
            strides,
            mlp_ratio=sizes['feedforward_channels'] / self.embed_dims,
            drop_path_rates=rates[:convs],
        )
        if self.frozen_stages > 0:
            self._freeze_stages()


def _sizes(arch: str | dict) -> dict:
    if not isinstance(arch, str):
        return dict(arch)
    if arch not in ARCHS:
        raise ValueError(f'arch={arch!r}: choose from {", ".join(ARCHS)}, or give a dict of sizes')
    return dict(ARCHS[arch])


@MODELS.register_module()
class HybridViT(ConvStem, CMAEViT):
    """Convolutions and Vision Transformer whose :meth:`encode` masks the image.

    Called as a module it encodes the whole image, without fusion.

    Args:
        fusion: add the outputs of the stages, each through a convolution of its own, to the last
            block's before the final norm of :meth:`encode`. It serves reconstruction and is
            dropped afterwards.
        out_type: 'raw', 'featmap' or 'avg_featmap'; see VisionTransformer.
        **kwargs: of :class:`ConvStem` and :class:`~.cmae_vit.CMAEViT`.

    Raises:
        ValueError: see there.
    """

    def __init__(self, *args, fusion: bool = True, out_type: str = 'raw', **kwargs) -> None:
        super().__init__(*args, out_type=out_type, **kwargs)
        self.fusion = nn.ModuleList()
        if fusion:
            side = self.patch_size
            for embed in self.patch_embed.embeds[:-1]:
                side //= embed.proj.stride[0]
                width = embed.proj.out_channels
                self.fusion.append(nn.Conv2d(width, self.embed_dims, side, side))

    @staticmethod
    def plain_config(config: dict) -> dict:
        """Return the config of the same encoder without masks and fusion."""
        return {**config, 'mask_ratio': 0.0, 'fusion': False}

    def init_patch_embed(self) -> None:
        """Nothing: the stages have initialised themselves."""

    def encode_visible(self, images: Tensor, patch_mask: PatchMask | None) -> Tensor:
        self.require_size(images)
        visible = None if patch_mask is None else patch_mask.ids_keep
        x, _, stages = self.patch_embed.stages(images, visible)
        positions = self.pos_embed.expand(len(x), -1, -1)
        x = x + (positions if visible is None else select(positions, visible))
        x = self.run_layers(x)
        for conv, stage in zip(self.fusion, stages):
            x = x + stage.places.reduce(conv, stage.features)
        return self.ln1(x) if self.final_norm else x
