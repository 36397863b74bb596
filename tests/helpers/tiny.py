"""A CMAE of a few thousand parameters."""

import torch
from mmengine.config import ConfigDict
from mmpretrain.registry import MODELS

from cmae_mm.models import build_model

ARCH = dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)
# the fields of a hybrid encoder of the same width: 4x4 tokens of 4x4 pixels
HYBRID = dict(
    arch=dict(conv_dims=(8, 12), conv_layers=(1, 2), **ARCH),
    img_size=16,
    strides=(1, 2, 2),
    mask_ratio=0.5,
)
DECODER = dict(decoder_embed_dim=16, decoder_num_heads=2, mlp_ratio=2.0)
PROJECTOR = dict(
    type='NonLinearNeck',
    hid_channels=20,
    out_channels=8,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN', eps=1e-6),
)


def tiny_config(**overrides):
    """Config of a tiny CMAE; overrides are merged into it, field by field."""
    config = ConfigDict(
        type='CMAE',
        backbone=dict(
            type='CMAEViT', arch=ARCH, img_size=16, patch_size=4, mask_ratio=0.5, mask_block=1
        ),
        target=dict(),
        neck=dict(
            pixel=dict(type='CMAEPixelDecoder', decoder_depth=2, **DECODER),
            feature=dict(type='CMAEFeatureDecoder', decoder_depth=1, **DECODER),
            projector=PROJECTOR,
        ),
        head=dict(
            type='CMAEPretrainHead', predictor=PROJECTOR, contrastive=dict(type='InfoNCELoss')
        ),
        data_preprocessor=dict(type='CMAEDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3),
    )
    return override(config, overrides)


def override(config, overrides):
    """Set fields of a config, named by their path, ``a__b``."""
    for path, value in overrides.items():
        node = config
        *parents, last = path.split('__')
        for parent in parents:
            node = node[parent]
        node[last] = value
    return config


def tiny_cae(**overrides):
    """A tiny context autoencoder on 16x24 images with pixels as targets, from seed 0."""
    torch.manual_seed(0)
    config = dict(
        type='ContextAutoencoder',
        backbone=dict(
            type='CMAEViT',
            arch=ARCH,
            img_size=(16, 24),
            patch_size=4,
            layer_scale_init_value=0.1,
        ),
        neck=dict(
            type='CAERegressorDecoder',
            num_heads=2,
            regressor_depth=2,
            decoder_depth=1,
            mlp_ratio=2,
        ),
        head=dict(type='ReconstructionHead'),
    )
    for part in ('backbone', 'neck'):
        config[part].update(overrides.pop(part, {}))
    model = MODELS.build({**config, **overrides})
    model.init_weights()
    return model.train()


def tiny_model(**overrides):
    """A tiny CMAE in training mode, initialised from seed 0."""
    torch.manual_seed(0)
    model = MODELS.build(tiny_config(**overrides))
    model.init_weights()
    return model.train()


def two_views(num_images=4, channels=3, size=(16, 16)):
    """Two batches of noise images."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(num_images, channels, *size, generator=generator) for _ in range(2)]


def initial_state(cfg):
    """Tensors of a config's whole model before training, by name."""
    model = build_model(cfg)
    model.init_weights()
    return model.state_dict()


TEACHER = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=48)


def tiny_mimco_config(checkpoint=None, **overrides):
    """Config of a tiny MimCo, whose teacher is wider than the student."""
    projector = {k: v for k, v in PROJECTOR.items() if k != 'out_channels'}
    config = ConfigDict(
        type='MimCo',
        backbone=tiny_config().backbone,
        teacher=dict(
            backbone=dict(type='MoCoV3ViT', arch=TEACHER, img_size=16, patch_size=4),
            checkpoint=checkpoint,
        ),
        neck=dict(type='TokenDecoder', decoder_depth=1, **DECODER),
        head=dict(
            type='MimCoHead',
            patch=dict(type='PatchInfoNCELoss'),
            image=dict(type='QueuedInfoNCELoss', temperature=0.2, queue_size=6),
            patch_projector=projector,
            image_projector=projector,
        ),
        data_preprocessor=dict(
            type='CMAEDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3, views=['online']
        ),
    )
    return override(config, overrides)
