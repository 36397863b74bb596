"""From an encoder that is pre-trained to the backbone of a downstream model."""

from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS

from cmae_mm.models import ConvStem

# fields that hold after pre-training
SHAPE = ('arch', 'img_size', 'patch_size', 'strides', 'in_channels', 'layer_scale_init_value')


def downstream_backbone(encoder: dict) -> dict:
    """Return the config of a pre-training encoder as a downstream model's backbone.

    It has the encoder's sizes, its layer scales (CAE's fine-tuning trains them), and no
    ``init_cfg``; every host's registry knows its type.

    Args:
        encoder: ``model.backbone`` of the pre-training config, with the fields of its class.

    Raises:
        ValueError: it is neither a Vision Transformer nor a hybrid encoder.
    """
    kind = MODELS.get(encoder['type'])
    if not (isinstance(kind, type) and issubclass(kind, VisionTransformer)):
        raise ValueError(
            f'the encoder is a {encoder["type"]}: expected a Vision Transformer or a HybridViT'
        )
    name = 'DownstreamHybridViT' if issubclass(kind, ConvStem) else 'DownstreamViT'
    shape = {field: encoder[field] for field in SHAPE if field in encoder}
    return dict(type=f'mmpretrain.{name}', **shape)
