"""Every value of the configs of MimCo and of its teacher, MoCo v3."""

import pytest
import torch
from mmengine.hub import get_config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import cmae_mm  # noqa: F401
from tests.helpers.configs import CONFIGS, read_config

MIMCO = {
    'small': CONFIGS / 'mimco/mimco_vit-small-p16_32xb128-amp-coslr-100e_in1k.py',
    'base': CONFIGS / 'mimco/mimco_vit-base-p16_32xb128-amp-coslr-100e_in1k.py',
}
MOCOV3 = {
    'small': CONFIGS / 'mocov3/mocov3_vit-small-p16_32xb128-amp-coslr-300e_in1k.py',
    'base': CONFIGS / 'mocov3/mocov3_vit-base-p16_32xb128-amp-coslr-300e_in1k.py',
}
SIZES = {'small': (384, 6), 'base': (768, 12)}


def built(cfg):
    init_default_scope('mmpretrain')
    if cfg.model.type == 'MimCo':
        cfg.model.teacher.checkpoint = None
    return MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor})


@pytest.mark.parametrize('size', SIZES)
def test_mimco_has_the_choices_of_the_docs(size):
    cfg = read_config(MIMCO[size])
    model = built(cfg)
    width, heads = SIZES[size]
    assert (model.backbone.embed_dims, model.backbone.layers[0].attn.num_heads) == (width, heads)
    assert (model.teacher.width, model.teacher.encoder.layers[0].attn.num_heads) == (width, 12)
    assert (model.backbone.mask_ratio, model.backbone.masking.block) == (0.75, 1)
    assert model.mask_token is None
    decoder = model.neck
    assert len(decoder.decoder_blocks) == 2
    assert decoder.decoder_pred.weight.shape == (width, 512)
    head = model.head
    assert (head.patch.temperature, head.patch.keys, head.patch.loss_weight) == (0.1, 'image', 1.0)
    assert (head.image.temperature, head.image.loss_weight) == (0.2, 0.4)
    assert (head.image.queue_size, head.image_feature) == (0, 'mean')
    for projector in (head.patch_projector, head.image_projector):
        assert projector.fc0.weight.shape == (1536, width)
        assert projector.fc1.weight.shape == (width, 1536)
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps.keys() == {
        'LoadImage',
        'MasterCrop',
        'RandomHorizontalFlip',
        'PixelShift',
        'PackViews',
    }
    assert steps['MasterCrop'].crop_ratio_range == (0.2, 1.0)
    assert (steps['PixelShift'].max_shift, steps['RandomHorizontalFlip'].prob) == (0, 0.5)
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05
    )
    assert cfg.train_dataloader.batch_size * 32 == cfg.auto_scale_lr.base_batch_size == 4096
    assert (cfg.param_scheduler[0].end, cfg.train_cfg.max_epochs) == (10, 100)


@pytest.mark.parametrize('size', SIZES)
def test_mocov3_is_the_hosts(size):
    cfg = read_config(MOCOV3[size])
    host = get_config(f'mmpretrain::mocov3/mocov3_vit-{size}-p16_16xb256-amp-coslr-300e_in1k.py')
    assert cfg.model == host.model
    assert cfg.find_unused_parameters is host.find_unused_parameters is True
    assert {'betas': (0.9, 0.999), **host.optim_wrapper.optimizer} == cfg.optim_wrapper.optimizer
    assert not cfg.optim_wrapper.paramwise_cfg
    assert cfg.param_scheduler == host.param_scheduler
    assert cfg.train_cfg == host.train_cfg and cfg.auto_scale_lr == host.auto_scale_lr


def test_mocov3_s_views_are_the_hosts_but_for_solarisation():
    cfg = read_config(MOCOV3['base'])
    steps = cfg.train_dataloader.dataset.pipeline
    # before any crop: the whole image
    assert [step.type for step in steps[:4]] == [
        'LoadImage',
        'RandomHorizontalFlip',
        'IndependentCrop',
        'MasterCrop',
    ]
    host = get_config('mmpretrain::mocov3/mocov3_vit-base-p16_16xb256-amp-coslr-300e_in1k.py')
    for name, crop, view in (
        ('online', steps[3], host.view_pipeline1),
        ('target', steps[2], host.view_pipeline2),
    ):
        (color,) = (step for step in steps if step.get('view') == name)
        there = {step.type: step for step in view}
        jitter = there['RandomApply'].transforms[0]
        assert crop.crop_ratio_range == there['RandomResizedCrop'].crop_ratio_range
        for field in ('brightness', 'contrast', 'saturation', 'hue'):
            assert color[field] == jitter[field]
        assert color.blur_prob == there['GaussianBlur'].prob
        assert there['GaussianBlur'].magnitude_range == (0.1, 2.0)  # ColorAugment's default
        assert there['RandomApply'].prob == 0.8 and there['RandomGrayscale'].prob == 0.2


@pytest.mark.slow
@pytest.mark.parametrize('path', [*MIMCO.values(), *MOCOV3.values()], ids=lambda path: path.stem)
def test_pretraining_takes_a_step_at_full_size(path):
    cfg = read_config(path)
    model = built(cfg)
    model.init_weights()
    MessageHub.get_current_instance().update_info('max_iters', 10)
    images = torch.randn(2, 3, 224, 224)
    losses = model.loss(images if cfg.model.type == 'MimCo' else [images, images.flip(3)], None)
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
