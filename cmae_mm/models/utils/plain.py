"""An encoder's plain form, as it is used after pre-training."""

import inspect

from mmpretrain.models import VisionTransformer
from mmpretrain.registry import MODELS
from torch import nn

_FIELDS = inspect.signature(VisionTransformer.__init__).parameters


def plain_encoder(backbone: dict, **overrides) -> dict:
    """Return the config of the same encoder without masks, for whole images.

    An encoder of this package gives its own plain form, ``plain_config(config)``. mmpretrain's
    Vision Transformers that take a mask (``MAEViT``, say) become its plain one.

    Args:
        backbone: config of any backbone; other kinds are returned unchanged.
        **overrides: fields to set in the result, such as ``out_type``.
    """
    encoder = MODELS.get(backbone['type'])
    if hasattr(encoder, 'plain_config'):
        backbone = encoder.plain_config(backbone)
    elif encoder and issubclass(encoder, VisionTransformer) and takes_mask(encoder):
        backbone = as_vision_transformer(backbone)
    return {**backbone, **overrides}


def as_vision_transformer(backbone: dict) -> dict:
    """Return a subclass's config as one of ``VisionTransformer``, with the fields it has."""
    fields = {name: value for name, value in backbone.items() if name in _FIELDS}
    return {**fields, 'type': 'VisionTransformer'}


def takes_mask(encoder: type[nn.Module]) -> bool:
    """Whether an encoder's ``forward`` takes a mask, as those of the host's pre-training do."""
    return 'mask' in inspect.signature(encoder.forward).parameters
