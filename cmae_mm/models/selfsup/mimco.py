"""MimCo-style pre-training: masked images, contrasted with a frozen contrastive teacher.

MimCo (arXiv 2209.03063) has no public code; its abstract names two stages, a pre-trained
contrastive teacher, and a patch-level and an image-level loss. Unpublished details are chosen by
this project; docs/mimco.md lists them.
"""

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..utils.batches import require_several
from ..utils.build import build_derived, decoder_sizes
from ..utils.frozen import FrozenTeacher
from ..utils.masking import PatchMask


@MODELS.register_module()
class MimCo(BaseSelfSupervisor):
    """A student that sees part of an image learns what a frozen teacher makes of the whole.

    Sizes that follow from student and teacher are derived.

    Args:
        backbone: config of the student, a ``CMAEViT`` or another encoder with ``encode``.
        teacher: config of a :class:`FrozenTeacher`: ``backbone``, ``checkpoint`` and ``prefix``.
        neck: config of a ``TokenDecoder`` from the student's tokens to the teacher's width.
        head: config of a ``MimCoHead``.
        masking: 'visible', the student encodes visible patches only (MAE), or 'mask_tokens', all
            patches with a token in place of those removed (SimMIM).
        data_preprocessor: config of a ``CMAEDataPreprocessor`` with one view.
        init_cfg: as everywhere in mmengine.

    Raises:
        ValueError: unknown masking, or a teacher of another grid of patches or, for class tokens,
            without one.
    """

    def __init__(
        self,
        backbone: dict,
        teacher: dict,
        neck: dict,
        head: dict,
        masking: str = 'visible',
        data_preprocessor: dict | None = None,
        init_cfg=None,
    ) -> None:
        if masking not in ('visible', 'mask_tokens'):
            raise ValueError(f"masking={masking!r}: choose 'visible' or 'mask_tokens'")
        super().__init__(backbone, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.teacher = FrozenTeacher(**teacher)
        grid = tuple(self.backbone.patch_resolution)
        if self.teacher.grid != grid:
            raise ValueError(
                f'the teacher divides an image into {_shape(self.teacher.grid)} patches, the '
                f'student into {_shape(grid)}: make img_size and patch_size of both agree'
            )
        width = self.teacher.width
        self.neck = build_derived(neck, **decoder_sizes(self.backbone), out_channels=width)
        self.head = build_derived(head, in_channels=width)
        self.mask_token = None
        if masking == 'mask_tokens':
            self.mask_token = nn.Parameter(torch.zeros(1, 1, self.backbone.embed_dims))

    def init_weights(self) -> None:
        super().init_weights()
        if self.mask_token is not None:
            nn.init.normal_(self.mask_token, std=0.02)

    def loss(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of one training step.

        Args:
            inputs: images, (N, C, H, W), normalised; student and teacher see the same view.
            data_samples: not used.

        Returns:
            ``loss_patch`` and ``loss_image``, scalars.

        Raises:
            ValueError: the batch has only one image.
        """
        require_several(inputs)
        class_token, tokens = self.teacher(inputs)
        visible, patch_mask, ids_restore = self._encode(inputs)
        decoded_class, decoded = self.neck(visible, ids_restore)
        return self.head.loss(decoded_class, decoded, class_token, tokens, patch_mask)

    def _encode(self, images: Tensor) -> tuple[Tensor, PatchMask, Tensor]:
        """Return the student's tokens, the mask, and each patch's place among the tokens."""
        if self.mask_token is None:
            tokens, patch_mask = self.backbone.encode(images)
            return tokens, patch_mask, patch_mask.ids_restore
        tokens, patch_mask = self.backbone.encode_with_mask_tokens(images, self.mask_token)
        in_order = torch.arange(patch_mask.mask.shape[1], device=images.device)
        return tokens, patch_mask, in_order.expand_as(patch_mask.ids_restore)


def _shape(grid: tuple[int, int]) -> str:
    return 'x'.join(map(str, grid))
