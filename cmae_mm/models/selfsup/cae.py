"""Context autoencoder (CAE), arXiv 2202.03026."""

import copy

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ..utils.build import build_derived, head_sizes
from ..utils.initialisation import init_as_beit, init_truncated
from ..utils.masking import PatchMask, PatchMasking, inverted, removed_patches
from ..utils.momentum import MomentumPairs, start_targets_from_online


@MODELS.register_module()
class ContextAutoencoder(BaseSelfSupervisor):
    """Predict the representations of removed patches from visible ones, and targets from them.

    Sizes that follow from the encoder and the targets are derived here; the configs of neck and
    head need not repeat them.

    Args:
        backbone: config of the encoder, a ``CMAEViT`` with layer scales.
        neck: config of a ``CAERegressorDecoder``.
        head: config of the targets: ``TokenHead`` or ``ReconstructionHead``.
        target_generator: config of the tokenizer, a ``DALLETokenizer``; None for pixels.
        alignment_weight: weight of the alignment of predicted and encoded representations.
        target_copy: give the removed patches to a copy of the encoder that
            ``MomentumUpdateHook`` updates, instead of to the encoder itself. At momentum 0, the
            released code's, it is a copy of the same weights.
        rescale_init: initialise linear layers as BEiT does, smaller with depth (the released
            code for Large), instead of by Xavier's rule.
        data_preprocessor: config of a ``CAEDataPreprocessor``.
        init_cfg: as everywhere in mmengine.

    Raises:
        ValueError: head and tokenizer do not belong together.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        target_generator: dict | None = None,
        alignment_weight: float = 2.0,
        target_copy: bool = False,
        rescale_init: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg=None,
    ) -> None:
        super().__init__(
            backbone,
            target_generator=target_generator,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        encoder = self.backbone
        self._require_tokenizer(head)
        sizes = head_sizes(encoder)
        if self.target_generator is not None:
            sizes = dict(grid=sizes['grid'], out_channels=self.target_generator.vocab_size)
        self.head = build_derived(head, **sizes)
        self.neck = build_derived(
            neck,
            grid=encoder.patch_resolution,
            encoder_dims=encoder.embed_dims,
            out_channels=self.head.out_channels,
        )
        self.alignment_weight = alignment_weight
        self.rescale_init = rescale_init
        self.target_backbone = copy.deepcopy(encoder) if target_copy else None
        if target_copy:
            self._momentum_pairs = MomentumPairs(
                {'target_backbone': (self.target_backbone, encoder)}
            )
            start_targets_from_online(self, ('backbone',))

    def _require_tokenizer(self, head: dict) -> None:
        vocabulary = getattr(self.target_generator, 'vocab_size', None)
        expected = head.get('out_channels', vocabulary)
        needed = getattr(MODELS.get(head['type']), 'needs_tokenizer', False)
        if needed != (vocabulary is not None):
            raise ValueError(
                f'{head["type"]} {"needs a" if needed else "takes no"} tokenizer '
                f'(target_generator): TokenHead goes with one, ReconstructionHead without'
            )
        if vocabulary != expected:
            raise ValueError(
                f'{head["type"]} predicts {expected} tokens, the tokenizer has {vocabulary}: leave '
                'out_channels of the head out, or set vocab_size of target_generator'
            )

    def init_weights(self) -> None:
        super().init_weights()
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            return
        stem = self.backbone.patch_embed.projection
        for tensor in (stem.weight, self.backbone.cls_token, self.neck.mask_token):
            init_truncated(tensor)
        nn.init.zeros_(stem.bias)
        if self.rescale_init:
            init_truncated(self.neck.head.weight)
            for blocks in (self.backbone.layers, self.neck.regressors, self.neck.decoders):
                init_as_beit(blocks)
        else:  # the host's neck makes it smaller
            nn.init.xavier_uniform_(self.neck.head.weight)
        if self.target_backbone is not None:
            self.update_target(momentum=0.0)

    def update_target(self, momentum: float) -> None:
        """Move the encoder's copy: m * copy + (1 - m) * encoder; after the optimiser step."""
        self._momentum_pairs.update(momentum)

    def loss(
        self, inputs: list[Tensor], data_samples: list[DataSample] | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of one training step.

        Args:
            inputs: images, (N, C, H, W), normalised; their ``PatchMask``; and with a tokenizer
                its view of them.
            data_samples: not used.

        Returns:
            ``loss_main`` (targets) and ``loss_align`` (representations), scalars.

        Raises:
            ValueError: masks for another grid.
        """
        images, patch_mask, *target_images = inputs
        self._require_grid(patch_mask.mask)

        visible = self._encode(self.backbone, images, patch_mask)
        prediction, latent = self.neck(visible, patch_mask)

        with torch.no_grad():
            target_latent = self.encode_removed(images, patch_mask)
            target = self.target_generator(*target_images) if target_images else images

        return {
            'loss_main': self.head.loss(prediction, target, patch_mask),
            'loss_align': self.alignment_weight * F.mse_loss(latent.float(), target_latent.float()),
        }

    def encode_removed(self, images: Tensor, patch_mask: PatchMask) -> Tensor:
        """Return the targets of the regressor, (N, L - K, D): the encoder's view of what it misses.

        The encoder takes the removed patches by themselves; where the regressor has another width,
        they pass its projection.
        """
        encoder = self.target_backbone or self.backbone
        return self.neck.project(self._encode(encoder, images, inverted(patch_mask)))

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mask half of the patches at random and reconstruct them; see :meth:`.CMAE.reconstruct`.

        The masks are of single patches: those of training come with the data. The targets must be
        pixels, not a tokenizer's tokens.
        """
        masking = PatchMasking(self.backbone.patch_resolution, ratio=0.5)
        patch_mask = masking(masking.noise(len(images), images.device))
        prediction, _ = self.neck(self._encode(self.backbone, images, patch_mask), patch_mask)
        removed = removed_patches(patch_mask)[..., None].expand_as(prediction)
        pixels = prediction.new_zeros(*patch_mask.mask.shape, prediction.shape[-1])
        pixels = pixels.scatter(1, removed, prediction).float()  # (N, L, patch² * C)
        return self.head.images(pixels, images), self.head.pixel_mask(patch_mask)

    @staticmethod
    def _encode(encoder: nn.Module, images: Tensor, patch_mask: PatchMask) -> Tensor:
        """Return the tokens of visible patches, (N, K, D), without the class token."""
        return encoder.encode_visible(images, patch_mask)[:, encoder.num_extra_tokens :]

    def _require_grid(self, mask: Tensor) -> None:
        rows, cols = self.backbone.patch_resolution
        if mask.shape[1] != rows * cols:
            raise ValueError(
                f'masks of {mask.shape[1]} patches, the encoder has {rows}x{cols}: make input_size '
                'of BlockMask agree with it'
            )
