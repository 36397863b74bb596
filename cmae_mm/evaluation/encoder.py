"""A frozen encoder from any config and checkpoint of the mmpretrain family."""

import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor, BaseModel, BaseModule
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.checkpoints import load_state_dict
from cmae_mm.checkpoints.encoder import load_encoder_tensors
from cmae_mm.cpu import use_fastest_layers
from cmae_mm.models import build_model, plain_encoder
from cmae_mm.models.utils import as_tokens


class FrozenEncoder(BaseModel):
    """Map images (RGB, or as pre-trained) to one feature vector each, or to all their tokens.

    Args:
        backbone: any mmpretrain backbone; its last output is used, a feature map or, with
            ``out_type='raw'``, tokens.
        data_preprocessor: of the model that the backbone was trained in; it normalises.
        pooling: 'avg', the mean of the patch tokens or of the feature map, or 'cls',
            the class token of a Vision Transformer.
    """

    def __init__(
        self,
        backbone: BaseModule,
        data_preprocessor: BaseDataPreprocessor,
        pooling: str = 'avg',
    ) -> None:
        super().__init__(data_preprocessor)
        self.backbone = backbone
        self.pooling = pooling
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Encode a batch of images.

        Args:
            images: uint8, or float32 in [0, 255], shape (N, C, H, W), on any device.

        Returns:
            float32, shape (N, D), on the encoder's device.
        """
        return self.pool(self.tokens(images))

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """Encode a batch of images to float32 (N, L, D), the class token, if any, first."""
        return as_tokens(self.backbone(self.normalise(images))[-1].float())

    def width(self, shape: tuple[int, int, int]) -> int:
        """Return D of images of a shape, (C, H, W)."""
        device = self.data_preprocessor.device
        return self(torch.zeros(1, *shape, dtype=torch.uint8, device=device)).shape[1]

    def normalise(self, images: Tensor) -> Tensor:
        """Turn uint8 images into the backbone's input, both (N, C, H, W)."""
        # the hosts' pipelines read BGR, and their preprocessors expect it
        if getattr(self.data_preprocessor, 'channel_order', 'BGR') == 'BGR':
            images = images.flip(1)
        return self.data_preprocessor({'inputs': images, 'data_samples': None})['inputs']

    def pool(self, tokens: Tensor) -> Tensor:
        """Pool the tokens of each image: (N, L, D) to (N, D)."""
        if self.pooling == 'cls':
            return tokens[:, 0]
        return tokens[:, getattr(self.backbone, 'num_extra_tokens', 0) :].mean(dim=1)


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
    backbone = MODELS.build(_for_tokens(plain_encoder(cfg.model.backbone), pooling))
    model = build_model(cfg)
    if checkpoint is None:
        model.init_weights()
        tensors, source = model.state_dict(), 'the untrained model'
    else:
        tensors, source = load_state_dict(checkpoint), repr(str(checkpoint))
    # the config is the one of the training: its grid is the checkpoint's
    grid = getattr(backbone, 'patch_resolution', None)
    load_encoder_tensors(backbone, tensors, source, grid=grid)
    use_fastest_layers(backbone)
    return FrozenEncoder(backbone, model.data_preprocessor, pooling)


def share_encoder(model: BaseModel, cfg: Config, pooling: str = 'avg') -> FrozenEncoder:
    """Build the frozen encoder of a model in training, of the model's own tensors.

    Nothing is copied, and the model does not notice: what is called and set to evaluation mode is
    another module, without masks, dropped paths or gradients. It follows the model as long as that
    is updated in place.

    Args:
        model: with ``backbone`` and ``data_preprocessor``, not wrapped.
        cfg: that it was built from, with ``model.backbone``.
        pooling: see :func:`build_encoder`.

    Raises:
        ValueError: the pooling is unknown.
    """
    with torch.device('meta'):
        backbone = MODELS.build(_for_tokens(plain_encoder(cfg.model.backbone), pooling))
    tensors = model.backbone.state_dict()
    backbone.load_state_dict({name: tensors[name] for name in backbone.state_dict()}, assign=True)
    use_fastest_layers(backbone)
    return FrozenEncoder(backbone, copy.deepcopy(model.data_preprocessor), pooling)


def input_shape(cfg: Config, size: int | None = None) -> tuple[int, int, int]:
    """Return (channels, height, width) of the images that a config's backbone takes.

    Args:
        cfg: config with ``model.backbone``.
        size: side of the images in pixels; None means the backbone's ``img_size``, or 224 if
            it has none.

    Raises:
        ValueError: the size is below 1.
    """
    backbone = cfg.model.backbone
    if size is not None and size < 1:
        raise ValueError(f'images of {size} pixels were asked for: expected 1 or more')
    height, width = to_2tuple(size or backbone.get('img_size', 224))
    return backbone.get('in_channels', 3), height, width


def require_finite(features: Tensor) -> None:
    """Check that an encoder has given numbers.

    Raises:
        ValueError: some are NaN or infinite.
    """
    if not features.isfinite().all():
        raise ValueError(
            'the features are not finite: look for NaN in the weights of the checkpoint, and in '
            'the std of the data preprocessor for 0'
        )


def _for_tokens(backbone: dict, pooling: str) -> dict:
    """Set ``out_type`` if a backbone has a choice of outputs, and check that it can be pooled."""
    if pooling not in ('avg', 'cls'):
        raise ValueError(f"pooling={pooling!r}: choose 'avg' or 'cls'")
    out_types = getattr(MODELS.get(backbone['type']), 'OUT_TYPES', ('featmap',))
    if pooling == 'cls' and not ('cls_token' in out_types and backbone.get('with_cls_token', True)):
        raise ValueError(
            f'{backbone["type"]} has no cls_token: pooling={pooling!r} is for Vision '
            'Transformers with a class token'
        )
    return {**backbone, 'out_type': 'raw'} if 'raw' in out_types else backbone
