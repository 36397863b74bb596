"""The encoder in downstream models."""

from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import resize_pos_embed
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from cmae_mm.checkpoints import LoadReport, load_encoder
from cmae_mm.models.utils.build import note_small_arch

from .attention import Grid, RelativeAttention, partition, reunite


@MODELS.register_module()
class DownstreamViT(VisionTransformer):
    """The Vision Transformer of classifiers, segmentors and detectors.

    With its defaults it equals mmpretrain's VisionTransformer in every tensor and in its output.
    It takes images of any size, and adds:

    - ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` reads the file
      without executing anything, loads the whole encoder or raises, and logs what was loaded,
      resized, newly initialised and not used (see :func:`~cmae_mm.checkpoints.load_encoder`).
    - windows and relative positions (ViTDet, arXiv 2203.16527); drop path drops a branch for
      a whole image, with windows too.
    - frozen blocks stay in evaluation mode; parts that were not pre-trained are not frozen.

    Args:
        arch: as of VisionTransformer; ViT-S is 'deit-s'.
        img_size: (height, width) or one number, in pixels.
        window_size: side of the attention windows, in patches; 0 disables them.
        global_blocks: with windows, the blocks that attend to the whole image: how many, evenly
            spaced (ViTDet: 4), or which, counted from 0.
        rel_pos: add decomposed relative positions, initialised to zero.
        **kwargs: further fields of VisionTransformer; ``frozen_stages`` is the number of
            leading blocks that are frozen together with the embedding (-1 or 0: none).

    Raises:
        ValueError: windows with a class token, which belongs to none of them; global blocks
            that cannot be spaced evenly; or more frozen blocks than the encoder has.
    """

    def __init__(
        self,
        arch='b',
        img_size=224,
        window_size: int = 0,
        global_blocks: int | Sequence[int] = 4,
        rel_pos: bool = False,
        **kwargs,
    ) -> None:
        note_small_arch(arch)
        super().__init__(arch, img_size=img_size, **kwargs)
        if window_size and self.cls_token is not None:
            raise ValueError(
                f'window_size={window_size} does not work with a class token: set '
                'with_cls_token=False'
            )
        attend_to_all = _global_blocks(global_blocks, self.num_layers) if window_size else ()
        self.windows = [
            0 if index in attend_to_all else window_size for index in range(self.num_layers)
        ]
        self.rel_pos = rel_pos
        self.load_report: LoadReport | None = None
        for layer, size in zip(self.layers, self.windows):
            # the host's sits in the attention, where it would act on windows, not on images
            layer.drop_path, layer.attn.out_drop = layer.attn.out_drop, nn.Identity()
            if rel_pos:
                grid = (size, size) if size else self.patch_resolution
                layer.attn = RelativeAttention(layer.attn, grid)

    def init_weights(self) -> None:
        pretrained = self.init_cfg
        if not isinstance(pretrained, dict) or pretrained['type'] != 'Pretrained':
            super().init_weights()
            return
        self.init_cfg = None  # so that new tensors are initialised as without a checkpoint
        super().init_weights()
        self.init_cfg = pretrained
        self.load_pretrained(**{k: v for k, v in pretrained.items() if k != 'type'})

    def load_pretrained(
        self, checkpoint: str, prefix: str = 'backbone.', grid: Grid | None = None
    ) -> None:
        """Load an encoder; keep the account of it as ``load_report`` and log it.

        Args:
            checkpoint, prefix, grid: of :func:`~cmae_mm.checkpoints.load_encoder`.

        Raises:
            FileNotFoundError, ValueError: as there; also for a fine-tuned model.
        """
        self.load_report = load_encoder(self, checkpoint, prefix, grid)
        print_log(f'{checkpoint}: {self.load_report}', 'current')

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode whole images.

        Args:
            images: shape (N, C, H, W), normalised.

        Returns:
            output of the blocks ``out_indices``; of ``out_type='featmap'``, shape
            (N, D, H / patch size, W / patch size).
        """
        return self.run_layers(*self.embed(images))

    def run_layers(self, x: Tensor, grid: Grid) -> tuple[Tensor, ...]:
        """Apply the blocks to embedded tokens; see :meth:`forward`."""
        outputs = []
        for index, (layer, size) in enumerate(zip(self.layers, self.windows)):
            x = x + layer.drop_path(self.attend(layer.attn, layer.ln1(x), grid, size))
            x = layer.ffn(layer.ln2(x), identity=x)
            if index == self.num_layers - 1 and self.final_norm:
                x = self.ln1(x)
            if index in self.out_indices:
                outputs.append(self._format_output(x, grid))
        return tuple(outputs)

    def embed(self, images: Tensor) -> tuple[Tensor, Grid]:
        """Tokens of the patches, class token first, and their grid (rows, columns)."""
        return self.add_positions(*self.patch_embed(images))

    def add_positions(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """Put the class token, if there is one, before tokens, and add positions."""
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1)
        x = x + resize_pos_embed(
            self.pos_embed,
            self.patch_resolution,
            grid,
            self.interpolate_mode,
            self.num_extra_tokens,
        )
        return self.pre_norm(self.drop_after_pos(x)), grid

    def attend(self, attention, x: Tensor, grid: Grid, window_size: int) -> Tensor:
        """Attention of one block, within windows if their size is not 0."""
        if window_size:
            x = partition(x.unflatten(1, grid), window_size)
            x = attention(x, (window_size, window_size)) if self.rel_pos else attention(x)
            return reunite(x, window_size, grid).flatten(1, 2)
        return attention(x, grid) if self.rel_pos else attention(x)

    def train(self, mode: bool = True) -> 'DownstreamViT':
        super().train(mode)
        if self.frozen_stages > 0:
            self.drop_after_pos.eval()
            self.patch_embed.eval()
            self.layers[: self.frozen_stages].eval()
        return self

    def _freeze_stages(self) -> None:
        if self.frozen_stages > self.num_layers:
            raise ValueError(
                f'frozen_stages={self.frozen_stages}: the encoder has {self.num_layers} blocks'
            )
        super()._freeze_stages()
        if self.out_type == 'avg_featmap':  # the norm of the average is not pre-trained
            self.ln2.train().requires_grad_(True)


def _global_blocks(blocks: int | Sequence[int], depth: int) -> Sequence[int]:
    if not isinstance(blocks, int):
        return blocks
    if depth % blocks:
        raise ValueError(f'global_blocks={blocks} does not divide the {depth} blocks evenly')
    # the last block of each part sees the whole image (ViTDet, Sec. 3)
    part = depth // blocks
    return range(part - 1, depth, part)
