"""The hybrid encoder in downstream models."""

from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.models import ConvStem

from .vit import DownstreamViT


@MODELS.register_module()
class DownstreamHybridViT(ConvStem, DownstreamViT):
    """The hybrid encoder of classifiers, segmentors and detectors.

    It takes images of any size, and has what :class:`~.vit.DownstreamViT` has: loading that
    accounts for every tensor, windows, relative positions, frozen blocks.

    Args:
        stage_maps: put the maps of the stages of convolutions, shape (N, C, H, W), in front of
            the outputs of the blocks.
        out_type: 'featmap', 'avg_featmap' or 'raw'; see VisionTransformer.
        **kwargs: of :class:`~cmae_mm.models.ConvStem` and :class:`~.vit.DownstreamViT`.

    Raises:
        ValueError: see there.
    """

    def __init__(
        self, *args, stage_maps: bool = False, out_type: str = 'featmap', **kwargs
    ) -> None:
        super().__init__(*args, out_type=out_type, **kwargs)
        self.stage_maps = stage_maps

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode whole images.

        Args:
            images: shape (N, C, H, W), normalised.

        Returns:
            with ``stage_maps`` the maps of the stages, then the output of the blocks
            ``out_indices``.
        """
        tokens, grid, stages = self.patch_embed.stages(images)
        outputs = self.run_layers(*self.add_positions(tokens, grid))
        return (*(stage.map for stage in stages), *outputs) if self.stage_maps else outputs
