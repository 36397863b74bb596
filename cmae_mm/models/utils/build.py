"""Building models from configs outside a Runner."""

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS


def build_model(cfg: Config) -> BaseModel:
    """Build the model of a config with its ``data_preprocessor``, as a Runner does.

    Weights are those of torch until ``init_weights()`` is called or a checkpoint loaded.
    """
    return MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})


def note_small_arch(arch: str | dict) -> None:
    """Log that mmpretrain's 'small' is not what papers call ViT-S."""
    if arch in ('s', 'small'):
        print_log(
            f"arch={arch!r} is mmpretrain's own, of width 768 and 8 blocks; ViT-S, of width 384 "
            "and 12 blocks, is arch='deit-s'",
            'current',
        )
