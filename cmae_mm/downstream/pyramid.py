"""Feature maps of several sizes."""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpretrain.models.utils import LayerNorm2d
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Pyramid built from the last feature map alone (ViTDet, arXiv 2203.16527, Sec. 3).

    Maps at 4, 2, 1 and 1/2 times the resolution, each followed by a 1x1 and a 3x3 convolution
    with layer norm; a fifth map subsamples the smallest. With 16-pixel patches their strides
    are 4, 8, 16, 32 and 64.

    Args:
        in_channels: of the encoder.
        out_channels: of all maps.
    """

    def __init__(self, in_channels: int, out_channels: int = 256) -> None:
        super().__init__()
        half, quarter = in_channels // 2, in_channels // 4
        self.scales = nn.ModuleList(
            [
                nn.Sequential(
                    _double(in_channels, half), _norm(half), nn.GELU(), _double(half, quarter)
                ),
                _double(in_channels, half),
                nn.Identity(),
                nn.MaxPool2d(2),
            ]
        )
        self.outputs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, bias=False),
                _norm(out_channels),
                nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
                _norm(out_channels),
            )
            for channels in (quarter, half, in_channels, in_channels)
        )

    def forward(self, inputs: tuple[Tensor]) -> tuple[Tensor, ...]:
        """Build the pyramid.

        Args:
            inputs: one map, shape (N, in_channels, H, W).

        Returns:
            five maps, shape (N, out_channels, k H, k W) for k = 4, 2, 1, 1/2, 1/4.
        """
        (features,) = inputs
        maps = [output(scale(features)) for scale, output in zip(self.scales, self.outputs)]
        return (*maps, F.max_pool2d(maps[-1], kernel_size=1, stride=2))


@MODELS.register_module()
class AppendCoarserMap(BaseModule):
    """Append a map of half the resolution of the last one, as ConvMAE does for UperNet.

    A 3x3 convolution of stride 2 without padding, batch norm and GELU.

    Args:
        in_channels: of the last map.
        norm_cfg: config of the norm.
    """

    def __init__(self, in_channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.scale = ConvModule(
            in_channels, in_channels, 3, stride=2, norm_cfg=norm_cfg, act_cfg=dict(type='GELU')
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the maps and, last, the new one, shape (N, C, (H - 1) // 2, (W - 1) // 2)."""
        return (*inputs, self.scale(inputs[-1]))


def _norm(channels: int) -> nn.Module:
    return LayerNorm2d(channels, eps=1e-6)  # ViTDet's (detectron2: modeling/backbone/vit.py)


def _double(in_channels: int, out_channels: int) -> nn.Module:
    return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
