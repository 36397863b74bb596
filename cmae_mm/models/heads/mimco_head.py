"""The two losses of MimCo: contrast of patches and contrast of images."""

from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor

from ..utils.build import build_derived
from ..utils.encoder_layer import select
from ..utils.masking import PatchMask, removed_patches


@MODELS.register_module()
class MimCoHead(BaseModule):
    """Contrast decoded tokens with a teacher's, patch by patch and image by image.

    Each loss has an MLP on the student's side; the teacher, which is frozen, has none: it would
    keep random weights.

    Args:
        patch: config of the loss of removed patches, ``PatchInfoNCELoss`` or
            ``PatchSmoothL1Loss``; its ``loss_weight`` is the weight of the term.
        image: config of the loss of images, ``QueuedInfoNCELoss`` or another one on (N, D).
        patch_projector, image_projector: configs of ``NonLinearNeck``, from the teacher's width
            to the teacher's width.
        in_channels: D, the teacher's width.
        image_feature: 'mean' compares the mean of the decoded patches with that of the teacher's,
            'cls' the decoded class token with the teacher's.

    Raises:
        ValueError: unknown ``image_feature``.
    """

    def __init__(
        self,
        patch: dict,
        image: dict,
        patch_projector: dict,
        image_projector: dict,
        in_channels: int,
        image_feature: str = 'mean',
    ) -> None:
        super().__init__()
        if image_feature not in ('mean', 'cls'):
            raise ValueError(f"image_feature={image_feature!r}: choose 'mean' or 'cls'")
        sizes = dict(in_channels=in_channels, out_channels=in_channels)
        self.patch_projector = build_derived(patch_projector, **sizes)
        self.image_projector = build_derived(image_projector, **sizes)
        self.patch = MODELS.build(patch)
        queue = dict(in_channels=in_channels) if 'queue_size' in image else {}
        self.image = build_derived(image, **queue)
        self.image_feature = image_feature

    def loss(
        self,
        decoded_class: Tensor | None,
        decoded: Tensor,
        class_token: Tensor | None,
        tokens: Tensor,
        patch_mask: PatchMask,
    ) -> dict[str, Tensor]:
        """Compute both losses of a batch.

        Args:
            decoded_class: the student's decoded class token, (N, D), or None.
            decoded: the student's decoded patches, all of them, (N, L, D).
            class_token: the teacher's, (N, D), or None.
            tokens: of the teacher's patches, (N, L, D).
            patch_mask: of the student's view.

        Returns:
            ``loss_patch`` and ``loss_image``, weighted, to be summed.

        Raises:
            ValueError: class tokens to compare, and one of the encoders has none.
        """
        removed = removed_patches(patch_mask)
        projected = self.patch_projector((select(decoded, removed).flatten(0, 1),))[0]
        loss_patch = self.patch(projected.unflatten(0, removed.shape), tokens, removed)
        feature, target = decoded.mean(dim=1), tokens.mean(dim=1)
        if self.image_feature == 'cls':
            feature, target = decoded_class, class_token
        if feature is None or target is None:
            lacking = 'student' if feature is None else 'teacher'
            raise ValueError(f"image_feature='cls': the {lacking} has no class token; use 'mean'")
        loss_image = self.image(self.image_projector((feature,))[0], target)
        return {'loss_patch': loss_patch, 'loss_image': loss_image}
