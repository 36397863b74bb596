"""A frozen encoder from any config and checkpoint of the mmpretrain family."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from cmae_mm.engine.checkpoint import load_state_dict
from cmae_mm.engine.pretrained import load_encoder_tensors
from cmae_mm.models import plain_encoder


class FrozenEncoder(nn.Module):
    """uint8 images to one feature vector an image.

    Args:
        backbone: any mmpretrain backbone; its last output is taken, and averaged
            over places if it is a map.
        mean: of each channel, in [0, 255].
        std: of each channel.
        bgr: the backbone was trained on BGR; images are RGB.
    """

    def __init__(self, backbone: BaseModule, mean, std, bgr: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.bgr = bgr
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """
        Args:
            images: uint8, shape (N, C, H, W).

        Returns:
            float32, shape (N, D).
        """
        images = images.flip(1) if self.bgr else images
        features = self.backbone((images - self.mean) / self.std)[-1]
        return features.flatten(2).mean(dim=2) if features.ndim == 4 else features


def build_encoder(
    cfg: Config,
    checkpoint: str | Path | None = None,
    pooling: str = 'avg',
) -> FrozenEncoder:
    """The frozen encoder of a config.

    Args:
        cfg: any config with ``model.backbone``: CMAE, MAE, classification, ...
        checkpoint: path of a checkpoint whose encoder stands under ``backbone.``;
            None leaves the encoder untrained, as the model's training begins.
        pooling: 'avg', the mean of the patch tokens or of the feature map, or 'cls',
            the class token of a Vision Transformer.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: checkpoint of another size or program, unknown pooling.
    """
    backbone = MODELS.build(_pooled(plain_encoder(cfg.model.backbone), pooling))
    if checkpoint is None:
        state, source = initial_state(cfg), 'the untrained model'
    else:
        state, source = load_state_dict(checkpoint), repr(str(checkpoint))
    # the config is the one of the training: its grid is the checkpoint's
    grid = getattr(backbone, 'patch_resolution', None)
    load_encoder_tensors(backbone, state, source, grid=grid)
    return FrozenEncoder(backbone, **normalization(cfg))


def initial_state(cfg: Config) -> dict[str, Tensor]:
    """Tensors of the config's whole model before training, by name."""
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model.state_dict()


def normalization(cfg: Config) -> dict:
    """``mean`` and ``std`` of a config's images, and whether they are ``bgr``."""
    data = cfg.data_preprocessor
    # CMAE's pipeline reads RGB; the host's reads BGR and is told to swap.
    rgb = data.get('type') == 'CMAEDataPreprocessor' or data.get('to_rgb', False)
    return dict(mean=data.mean, std=data.std, bgr=not rgb)


def input_shape(cfg: Config, size: int | None = None) -> tuple[int, int, int]:
    """(channels, height, width) of the images that a config's backbone takes.

    Args:
        cfg: config with ``model.backbone``.
        size: side of the images in pixels; None takes ``img_size`` of the backbone, or
            224 for one that has no size of its own.
    """
    backbone = cfg.model.backbone
    height, width = to_2tuple(size or backbone.get('img_size', 224))
    return backbone.get('in_channels', 3), height, width


def _pooled(backbone: dict, pooling: str) -> dict:
    """Set ``out_type`` where a backbone has a choice of outputs."""
    out_type = {'avg': 'featmap', 'cls': 'cls_token'}.get(pooling)
    if out_type is None:
        raise ValueError(f"pooling={pooling!r}: choose 'avg' or 'cls'")
    out_types = getattr(MODELS.get(backbone['type']), 'OUT_TYPES', ('featmap',))
    if out_type not in out_types:
        raise ValueError(
            f'{backbone["type"]} has no {out_type}: pooling={pooling!r} is for Vision '
            'Transformers with a class token'
        )
    return {**backbone, 'out_type': out_type} if len(out_types) > 1 else backbone
