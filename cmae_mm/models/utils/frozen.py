"""The frozen teacher: an encoder that gives targets and never learns."""

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.checkpoints import load_encoder

from .plain import plain_encoder, takes_mask
from .tokens import as_tokens


class FrozenTeacher(BaseModule):
    """A pre-trained encoder of whole images, always in evaluation mode, without gradients.

    Its tensors are part of the model's checkpoints, so that a run is resumed with the very teacher
    that it had, whatever has become of the file.

    Args:
        backbone: config of an encoder of this package or of mmpretrain (``MoCoV3ViT``,
            ``VisionTransformer``, ...).
        checkpoint: path of its weights, read by :func:`~cmae_mm.checkpoints.load_encoder`, without
            executing anything, in :meth:`init_weights`; None leaves them random (an ablation, or
            a resumed run whose file is gone).
        prefix: of the encoder's tensors in the checkpoint.
        requires_grad: must be False.

    Raises:
        ValueError: the config asks for gradients, or the encoder masks images.
    """

    def __init__(
        self,
        backbone: dict,
        checkpoint: str | None = '',
        prefix: str = 'backbone.',
        requires_grad: bool = False,
    ) -> None:
        super().__init__()
        if requires_grad:
            raise ValueError(
                'teacher.requires_grad=True: the teacher is frozen; remove the field (a target '
                "that follows the encoder is CMAE's, model.type='CMAE')"
            )
        self.encoder = MODELS.build(_of_whole_images(backbone))
        self.encoder.requires_grad_(False)
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.eval()

    @property
    def width(self) -> int:
        """Channels of a token."""
        widths = self.encoder.embed_dims
        return widths if isinstance(widths, int) else widths[-1]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of an image, (rows, columns)."""
        return to_2tuple(self.encoder.patch_resolution)

    def init_weights(self) -> None:
        """Load the checkpoint.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no path, or not a checkpoint, not to be trusted, or of another encoder.
        """
        if self.checkpoint is None:
            self.encoder.init_weights()
            return
        if not self.checkpoint:
            raise ValueError(
                'no teacher: --cfg-options model.teacher.checkpoint=PATH of a pre-trained '
                'encoder, or model.teacher.checkpoint=None for a random one or to resume without it'
            )
        try:
            report = load_encoder(self.encoder, self.checkpoint, self.prefix)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'teacher: {error}') from None
        print_log(f'teacher: {self.checkpoint}: {report}', 'current')

    def train(self, mode: bool = True) -> 'FrozenTeacher':
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """Encode whole images.

        Args:
            images: shape (N, C, H, W), normalised.

        Returns:
            the class token, (N, D), or None, and the tokens of the patches, (N, L, D), after the
            encoder's last norm.

        Raises:
            ValueError: something has made the teacher require gradients.
        """
        trainable = [name for name, p in self.encoder.named_parameters() if p.requires_grad]
        if trainable:
            raise ValueError(
                f'the teacher is frozen, but {len(trainable)} of its tensors require gradients, '
                f'first {trainable[0]}: remove what unfreezes them'
            )
        output = self.encoder(images)[-1]
        if output.ndim == 4:  # a feature map
            return None, as_tokens(output)
        extra = self.encoder.num_extra_tokens
        return (output[:, 0] if extra else None), output[:, extra:]


def _of_whole_images(backbone: dict) -> dict:
    """The config of an encoder that takes whole images and returns all tokens."""
    backbone = plain_encoder(backbone)
    encoder = MODELS.get(backbone['type'])
    if encoder is not None and takes_mask(encoder):
        raise ValueError(
            f'the teacher sees whole images, {backbone["type"]} masks them: give its plain form, '
            'a class without a mask that reads the same checkpoints'
        )
    raw = 'raw' in getattr(encoder, 'OUT_TYPES', ())
    return {**backbone, 'out_type': 'raw'} if raw else dict(backbone)
