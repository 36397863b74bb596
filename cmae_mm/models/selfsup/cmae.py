"""Contrastive Masked Autoencoders, arXiv 2207.13532."""

import torch
from mmengine.logging import print_log
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from ..utils.batches import require_several
from ..utils.build import build_derived, decoder_sizes, head_sizes
from ..utils.masking import PatchMask, removed_patches
from ..utils.micro_batches import in_micro_batches
from ..utils.momentum import MomentumPairs, start_targets_from_online


@MODELS.register_module()
class CMAE(BaseSelfSupervisor):
    """A masked autoencoder that also learns to tell images apart.

    Sizes that follow from the encoder (grid, patch size, channels, widths) are derived here;
    the configs of necks and head need not repeat them.

    Args:
        backbone: config of the online encoder, a ``CMAEViT`` or ``HybridViT``.
        neck: configs of ``pixel`` (``CMAEPixelDecoder``), ``feature``
            (``CMAEFeatureDecoder``) and ``projector`` (``NonLinearNeck``).
        head: config of a ``CMAEPretrainHead``.
        target: fields in which the target encoder differs from the online one:
            ``mask_ratio`` 0 gives it the whole image (the paper's choice),
            ``final_norm=False`` drops its last norm (the released code's).
        micro_batch: images that encoders and decoders take at a time on each rank, which bounds
            their memory; the losses remain those of the whole batch. None: all.
        data_preprocessor: config of a ``CMAEDataPreprocessor``.
        init_cfg: as everywhere in mmengine.

    Raises:
        ValueError: micro_batch below 1.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        target: dict | None = None,
        micro_batch: int | None = None,
        data_preprocessor: dict | None = None,
        init_cfg=None,
    ) -> None:
        if micro_batch is not None and micro_batch < 1:
            raise ValueError(f'micro_batch={micro_batch}: must be at least 1 image, or None')
        super().__init__(backbone, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.micro_batch = micro_batch
        in_decoder = decoder_sizes(self.backbone)
        self.pixel_decoder = build_derived(neck['pixel'], **in_decoder)
        self.feature_decoder = build_derived(neck['feature'], **in_decoder)
        if self.feature_decoder.share_weights:
            self.feature_decoder.tie(self.pixel_decoder)
        self.projector = build_derived(
            neck['projector'], in_channels=self.feature_decoder.out_channels
        )
        self.head = build_derived(head, **head_sizes(self.backbone))

        self.target_backbone = build_derived(
            {**backbone, 'mask_ratio': 0.0, **(target or {}), 'init_cfg': None}
        )
        self.target_projector = build_derived(
            neck['projector'], in_channels=self.backbone.embed_dims
        )
        self._momentum_pairs = MomentumPairs(
            {
                'target_backbone': (self.target_backbone, self.backbone),
                'target_projector': (self.target_projector, self.projector),
            }
        )
        start_targets_from_online(self, ('backbone', 'projector'))
        for name in self._momentum_pairs.unpaired:
            print_log(
                f'{name} keeps its initial value: its online counterpart has '
                'another shape (the widths of feature decoder and encoder differ)',
                logger='current',
            )

    def init_weights(self) -> None:
        super().init_weights()
        if not (isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained'):
            self.update_target(momentum=0.0)

    def update_target(self, momentum: float) -> None:
        """Move the target: m * target + (1 - m) * online, for parameters.

        Buffers do not change: each batch norm keeps the running statistics of its own inputs.
        Call this after the optimiser step.

        Args:
            momentum: m in [0, 1]; 0 copies the online encoder.
        """
        self._momentum_pairs.update(momentum)

    def loss(
        self,
        inputs: list[Tensor],
        data_samples: list[DataSample] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of one training step.

        Args:
            inputs: online and target view, each (N, C, H, W), normalised.
            data_samples: not used.

        Returns:
            ``loss_rc`` (reconstruction) and ``loss_ct`` (contrast), scalars.

        Raises:
            ValueError: the batch has only one image.
        """
        online_view, target_view = inputs
        require_several(online_view)
        pixels, features, patch_mask = in_micro_batches(self._decode, self.micro_batch, online_view)
        online = self.projector((features,))[0]

        with torch.no_grad():
            embedding = in_micro_batches(self._embed, self.micro_batch, target_view)
            target = self.target_projector((embedding,))[0]

        return self.head.loss(pixels, online_view, patch_mask, online, target)

    def _decode(self, online_view: Tensor) -> tuple[Tensor, Tensor, PatchMask]:
        """Return the removed patches, (N, L - K, patch² * C), features, (N, D), and the mask."""
        tokens, patch_mask = self.backbone.encode(online_view)
        pixels = self.pixel_decoder(tokens, patch_mask.ids_restore, removed_patches(patch_mask))
        features = self.feature_decoder(tokens, patch_mask.ids_restore)
        return pixels, features, patch_mask

    def _embed(self, target_view: Tensor) -> Tensor:
        """Return the mean over the target's patches, (N, D)."""
        tokens, _ = self.target_backbone.encode(target_view)
        return tokens[:, self.target_backbone.num_extra_tokens :].mean(dim=1)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mask images at random and reconstruct them.

        Args:
            images: shape (N, C, H, W), normalised.

        Returns:
            predictions, (N, C, H, W), in the space of the input, and the mask,
            (N, 1, H, W), 1 = removed.
        """
        tokens, patch_mask = self.backbone.encode(images)
        pixels = self.pixel_decoder(tokens, patch_mask.ids_restore)
        return self.head.images(pixels.float(), images), self.head.pixel_mask(patch_mask)
