"""The encoder of any pre-training config in the models of the downstream demonstration."""

import copy

import torch
from mmengine.config import Config, ConfigDict
from mmpretrain.registry import MODELS

from cmae_mm.downstream import DownstreamHybridViT, DownstreamViT, downstream_backbone
from cmae_mm.downstream.backbone import SHAPE

_COLOR_TYPES = {1: 'grayscale', 3: 'color'}


def with_encoder(task: Config, pretraining: Config) -> Config:
    """Return a downstream task's config with another encoder.

    The encoder sees as many patches as the task's own, whatever their size: pictures, maps and
    anchors are scaled. Channels and normalisation are those of pre-training.

    A Vision Transformer gives segmentors and detectors the maps of four blocks. A hybrid encoder
    gives what it gives in the full-size benchmarks: to segmentors the maps of its stages and of
    its tokens, to detectors the latter for a simple pyramid.

    Args:
        task: one of ``configs/benchmarks/*/quickstart.py``.
        pretraining: config with ``model.backbone`` and ``data_preprocessor``.

    Raises:
        ValueError: the encoder is of another kind, takes neither 1 nor 3 channels, or has too
            few blocks to take four maps from.
    """
    cfg = copy.deepcopy(task)
    model, old = cfg.model, cfg.model.backbone
    shape = downstream_backbone(pretraining.model.backbone)
    with torch.device('meta'):  # for its sizes alone
        encoder = MODELS.build(shape)
    channels = shape.get('in_channels', 3)
    if channels not in _COLOR_TYPES:
        raise ValueError(
            f'the encoder takes {channels} channels: the built-in pictures have 1 or 3'
        )
    patch = encoder.img_size[0] // encoder.patch_resolution[0]

    def scaled(pixels: int) -> int:
        return pixels * patch // old.patch_size

    kept = {field: value for field, value in old.items() if field not in SHAPE}
    model.backbone = {**kept, **shape, 'img_size': scaled(old.img_size)}
    if 'decode_head' in model:
        model.data_preprocessor.size = tuple(map(scaled, model.data_preprocessor.size))
        _fit_segmentor(model, encoder)
    elif 'roi_head' in model:
        _fit_detector(model, encoder, patch)
    else:
        model.head.in_channels = encoder.embed_dims
    _normalise(cfg, pretraining.data_preprocessor, channels)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        for transform in loader.dataset.pipeline:
            if 'scale' in transform:
                transform.scale = scaled(transform.scale)
            if 'color_type' in transform:
                transform.color_type = _COLOR_TYPES[channels]
    return cfg


def _fit_segmentor(model: ConfigDict, encoder: DownstreamViT) -> None:
    width = encoder.embed_dims
    if isinstance(encoder, DownstreamHybridViT):
        stages = [embed.proj.out_channels for embed in encoder.patch_embed.embeds[:-1]]
        model.backbone.update(stage_maps=True, out_indices=-1)
        norm = model.neck.norm_cfg
        model.neck = dict(type='mmpretrain.AppendCoarserMap', in_channels=width, norm_cfg=norm)
        model.decode_head.in_channels = [*stages, width, width]
    else:
        model.backbone.out_indices = _four_blocks(encoder)
        model.neck.embed_dim = width
        model.decode_head.in_channels = [width] * 4


def _fit_detector(model: ConfigDict, encoder: DownstreamViT, patch: int) -> None:
    width, depth = encoder.embed_dims, encoder.num_layers
    # the last of each half
    model.backbone.global_blocks = (depth // 2 - 1, depth - 1)
    rois = model.roi_head.bbox_roi_extractor
    if isinstance(encoder, DownstreamHybridViT):
        del model.backbone['with_cls_token']  # it has none
        model.backbone.out_indices = -1
        model.neck = dict(
            type='mmpretrain.SimpleFeaturePyramid',
            in_channels=width,
            out_channels=rois.out_channels,
        )
        strides = [patch * scale for scale in (1 / 4, 1 / 2, 1, 2, 4)]
    else:
        model.backbone.out_indices = _four_blocks(encoder)
        pyramid, fpn = model.neck
        pyramid.embed_dim, fpn.in_channels = width, [width] * 4
        strides = [patch / rescale for rescale in pyramid.rescales]
    # so that objects of as many places of a map are taken from it
    finest = rois.finest_scale * strides[0] / rois.featmap_strides[0]
    for extractor in (rois, model.roi_head.mask_roi_extractor):
        extractor.update(featmap_strides=strides[:4], finest_scale=finest)
    model.rpn_head.anchor_generator.strides = strides


def _four_blocks(encoder: DownstreamViT) -> tuple[int, ...]:
    depth = encoder.num_layers
    if depth < 4:
        raise ValueError(f'the encoder has {depth} blocks: expected 4 or more, to take maps from')
    return tuple(part * depth // 4 - 1 for part in range(1, 5))


def _normalise(cfg: Config, pretraining: ConfigDict, channels: int) -> None:
    """Give the host's preprocessor the mean and standard deviation of pre-training."""
    normal = dict(mean=pretraining.mean, std=pretraining.std)
    if 'data_preprocessor' in cfg.model:
        cfg.model.data_preprocessor.update(**normal, bgr_to_rgb=channels == 3)
    else:
        cfg.data_preprocessor.update(**normal, to_rgb=channels == 3)
