"""A frozen encoder from any config and checkpoint of the mmpretrain family."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor, BaseModel, BaseModule
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.checkpoints import load_state_dict
from cmae_mm.checkpoints.encoder import load_encoder_tensors
from cmae_mm.cpu import use_fastest_linear
from cmae_mm.models import build_model, plain_encoder


class FrozenEncoder(BaseModel):
    """Map uint8 RGB images to one feature vector each.

    Args:
        backbone: any mmpretrain backbone; its last output is used, averaged over positions if
            it is a feature map.
        data_preprocessor: of the model that the backbone was trained in; it normalises.
    """

    def __init__(self, backbone: BaseModule, data_preprocessor: BaseDataPreprocessor) -> None:
        super().__init__(data_preprocessor)
        self.backbone = backbone
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Encode a batch of images.

        Args:
            images: uint8, shape (N, C, H, W), on any device.

        Returns:
            float32, shape (N, D), on the encoder's device.
        """
        # the hosts' pipelines read BGR, and their preprocessors expect it
        if getattr(self.data_preprocessor, 'channel_order', 'BGR') == 'BGR':
            images = images.flip(1)
        inputs = self.data_preprocessor({'inputs': images, 'data_samples': None})['inputs']
        features = self.backbone(inputs)[-1].float()
        return features.flatten(2).mean(dim=2) if features.ndim == 4 else features


def build_encoder(
    cfg: Config,
    checkpoint: str | Path | None = None,
    pooling: str = 'avg',
) -> FrozenEncoder:
    """Build the frozen encoder of a config.

    Args:
        cfg: any config with ``model.backbone``: CMAE, MAE, classification, ...
        checkpoint: path of a checkpoint with the encoder under ``backbone.``;
            None leaves the encoder untrained, as at the start of training.
        pooling: 'avg', the mean of the patch tokens or of the feature map, or 'cls',
            the class token of a Vision Transformer.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: the checkpoint is of another size or program, or the pooling unknown.
    """
    backbone = MODELS.build(_pooled(plain_encoder(cfg.model.backbone), pooling))
    model = build_model(cfg)
    if checkpoint is None:
        model.init_weights()
        tensors, source = model.state_dict(), 'the untrained model'
    else:
        tensors, source = load_state_dict(checkpoint), repr(str(checkpoint))
    # the config is the one of the training: its grid is the checkpoint's
    grid = getattr(backbone, 'patch_resolution', None)
    load_encoder_tensors(backbone, tensors, source, grid=grid)
    use_fastest_linear(backbone)
    return FrozenEncoder(backbone, model.data_preprocessor)


def input_shape(cfg: Config, size: int | None = None) -> tuple[int, int, int]:
    """Return (channels, height, width) of the images that a config's backbone takes.

    Args:
        cfg: config with ``model.backbone``.
        size: side of the images in pixels; None means the backbone's ``img_size``, or 224 if
            it has none.
    """
    backbone = cfg.model.backbone
    height, width = to_2tuple(size or backbone.get('img_size', 224))
    return backbone.get('in_channels', 3), height, width


def _pooled(backbone: dict, pooling: str) -> dict:
    """Set ``out_type`` if a backbone has a choice of outputs."""
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
