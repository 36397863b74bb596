"""Building models and their parts from configs."""

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS
from torch import nn


def build_model(cfg: Config) -> BaseModel:
    """Build the model of a config with its ``data_preprocessor`` as a Runner does, without one.

    Weights are those of torch until ``init_weights()`` is called or a checkpoint loaded.
    """
    return MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})


def build_derived(cfg: dict, **derived) -> nn.Module:
    """Build a module from a config, whose fields override sizes derived from other modules."""
    return MODELS.build({**derived, **cfg})


def decoder_sizes(encoder: nn.Module) -> dict:
    """Return the fields of a decoder that follow from its encoder."""
    return dict(
        grid=encoder.patch_resolution,
        patch_size=encoder.patch_size,
        in_chans=encoder.in_channels,
        embed_dim=encoder.embed_dims,
        num_extra_tokens=encoder.num_extra_tokens,
    )


def head_sizes(encoder: nn.Module) -> dict:
    """Return the fields of a head on pixels that follow from the encoder."""
    return dict(
        grid=encoder.patch_resolution,
        patch_size=encoder.patch_size,
        in_channels=encoder.in_channels,
    )


def note_small_arch(arch: str | dict) -> None:
    """Log that mmpretrain's 'small' is not what papers call ViT-S."""
    if arch in ('s', 'small'):
        print_log(
            f"arch={arch!r} is mmpretrain's own, of width 768 and 8 blocks; ViT-S, of width 384 "
            "and 12 blocks, is arch='deit-s'",
            'current',
        )
