"""Every value that pre-training runs with, written down once more.

A config can be wrong without failing: what it makes is compared with literals.
"""

import itertools
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS

import cmae_mm  # noqa: F401
from tests.helpers.configs import read_config

CONFIGS = Path(__file__).parents[2] / 'configs'

# Imagenet-sized: name without size, batch and epochs -> what sets it apart
IMAGENET = {
    'cmae/cmae': dict(master=255, crop=224, shift=30, views=('online', 'target')),
    'cmae/cmae-published': dict(master=256, crop=224, shift=31, views=('online', 'target')),
    'mae/mae': dict(master=224, crop=224, shift=0, views=('online',)),
}
ENCODERS = {'small': (384, 12, 6), 'base': (768, 12, 12), 'large': (1024, 24, 16)}
SIZES = {'cmae/cmae': ENCODERS, 'cmae/cmae-published': ('base',), 'mae/mae': ENCODERS}
ARCHS = {'small': 'deit-s', 'base': 'b', 'large': 'l'}
DIAGNOSIS = [dict(type='ContrastDiagnosisHook', interval=50)]
PAPER = dict(ratio=0.75, block=1, target_norm=True, feature='encoder', contrast=1.0, bn_decay=0.0)
PUBLISHED = dict(ratio=0.65, block=2, target_norm=False, feature=768, contrast=0.14, bn_decay=0.05)

NAMES = [
    (recipe, size, epochs)
    for recipe in IMAGENET
    for size, epochs in itertools.product(SIZES[recipe], (300, 800, 1600))
]


def imagenet_config(recipe, size, epochs):
    name = f'{recipe}_vit-{size}-p16_32xb128-amp-coslr-{epochs}e_in1k.py'
    return read_config(CONFIGS / name)


@pytest.mark.parametrize('recipe, size, epochs', NAMES)
def test_schedule_and_data_of_imagenet_runs(recipe, size, epochs):
    cfg = imagenet_config(recipe, size, epochs)
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05
    )
    assert cfg.optim_wrapper.dtype == 'float16'
    assert cfg.optim_wrapper.type == 'PrecisionOptimWrapper'
    assert cfg.auto_scale_lr.base_batch_size == 4096 and not cfg.auto_scale_lr.get('enable')
    unit = dict(by_epoch=True, convert_to_iter_based=True)
    assert cfg.param_scheduler == [
        dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **unit),
        dict(type='CosineAnnealingLR', T_max=epochs - 40, begin=40, end=epochs, **unit),
    ]
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=epochs)
    momentum = [hook for hook in cfg.get('custom_hooks', []) if hook.type == 'MomentumUpdateHook']
    expected = [dict(type='MomentumUpdateHook', momentum=0.996)]
    assert momentum == ([] if recipe == 'mae/mae' else expected)
    diagnosis = [hook for hook in cfg.get('custom_hooks', []) if hook not in momentum]
    assert diagnosis == ([] if recipe == 'mae/mae' else DIAGNOSIS)
    assert cfg.randomness == dict(seed=0, deterministic=False, diff_rank_seed=True)
    loader = cfg.train_dataloader
    assert loader.batch_size == 128 and loader.drop_last and loader.persistent_workers
    assert loader.sampler == dict(type='SeededSampler', shuffle=True)
    assert loader.dataset.type == 'PretrainDataset'
    assert loader.dataset.pipeline == pipeline(recipe, **IMAGENET[recipe])
    expected = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
    if recipe == 'mae/mae':
        expected['views'] = ('online',)
    assert cfg.data_preprocessor == dict(type='CMAEDataPreprocessor', **expected)


def pipeline(recipe, master, crop, shift, views):
    color = dict(
        type='ColorAugment',
        view='target',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        jitter_prob=0.8,
        gray_prob=0.2,
        blur_prob=0.5,
        blur_sigma=(0.1, 2.0),
    )
    if recipe == 'cmae/cmae-published':
        color['gray_weights'] = (0.114, 0.587, 0.2989)
    pack = dict(where='auto') if 'target' in views else dict(views=views)
    return [
        dict(type='LoadImage'),
        dict(type='MasterCrop', scale=master, crop_ratio_range=(0.2, 1.0)),
        dict(type='RandomHorizontalFlip', prob=0.5),
        dict(type='PixelShift', crop_size=crop, max_shift=shift),
        *([color] if 'target' in views else []),
        dict(type='PackViews', **pack),
    ]


@pytest.mark.parametrize(
    'recipe, size', list(itertools.product(('cmae', 'cmae-published'), ENCODERS))
)
def test_models_of_imagenet_runs(recipe, size):
    values = PUBLISHED if recipe == 'cmae-published' else PAPER
    width, depth, heads = ENCODERS[size]
    if recipe == 'cmae':
        cfg = imagenet_config('cmae/cmae', size, 300)
    else:  # the size that was released; the others by the documented override
        cfg = imagenet_config('cmae/cmae-published', 'base', 300)
        cfg.merge_from_dict({'model.backbone.arch': ARCHS[size]})
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    backbone, target = model.backbone, model.target_backbone
    assert (backbone.embed_dims, backbone.num_layers) == (width, depth)
    assert backbone.layers[0].attn.num_heads == heads
    assert (backbone.img_size, backbone.patch_size) == ((224, 224), 16)
    assert (backbone.mask_ratio, backbone.masking.block) == (values['ratio'], values['block'])
    assert (target.mask_ratio, target.final_norm) == (0, values['target_norm'])
    for decoder, blocks in ((model.pixel_decoder, 8), (model.feature_decoder, 2)):
        assert len(decoder.decoder_blocks) == blocks
        assert decoder.mask_token.shape[-1] == 512
        assert decoder.decoder_blocks[0].attn.num_heads == 16
    feature = width if values['feature'] == 'encoder' else values['feature']
    assert model.feature_decoder.out_channels == feature
    for projector, inputs in ((model.projector, feature), (model.target_projector, width)):
        assert projector.fc0.weight.shape == (1536, inputs)
    assert model.projector.fc1.weight.shape == (256, 1536)
    assert model.head.predictor.fc0.weight.shape == (1536, 256)
    assert model.head.predictor.fc1.weight.shape == (256, 1536)
    assert model.projector.bn0.eps == model.head.predictor.bn0.eps == 1e-6
    assert model.head.norm_pix and model.head.loss_weight == 1.0
    assert model.head.loss_module.penalty is not None
    contrastive = model.head.contrastive
    assert contrastive.temperature == 0.07
    assert contrastive.loss_weight == pytest.approx(values['contrast'])

    cfg.optim_wrapper.dtype = 'float32'
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in decay, name
        elif name.endswith('bn0.weight'):
            assert decay[id(parameter)] == values['bn_decay'], name
        else:
            spared = parameter.ndim == 1 or name.endswith('token')
            assert decay[id(parameter)] == (0 if spared else 0.05), name


@pytest.mark.parametrize(
    'name, values',
    [
        ('cmae/cmae_vit-base-p16_folder', dict(arch='b')),
        ('cmae/cmae_vit-small-p16_folder', dict(arch='deit-s')),
    ],
)
def test_folder_configs_are_the_paper_s_with_a_rate_that_follows_the_batch(name, values):
    cfg, paper = (
        read_config(CONFIGS / f'{name}.py'),
        imagenet_config('cmae/cmae', 'base', 300),
    )
    assert cfg.auto_scale_lr == dict(base_batch_size=4096, enable=True)
    assert cfg.model.backbone.arch == values['arch']
    assert cfg.train_pipeline == paper.train_pipeline
    assert cfg.optim_wrapper == paper.optim_wrapper
    assert cfg.param_scheduler == paper.param_scheduler


SMALL = {
    # master, crop, shift, smallest crop, batch, epochs, warm-up, momentum
    'cmae/cmae_vit-tiny-p4_cifar10': (36, 32, 4, 0.2, 128, 60, 6, 0.99),
    'mae/mae_vit-tiny-p4_cifar10': (32, 32, 0, 0.2, 128, 60, 6, None),
    'cmae/cmae_quickstart': (72, 64, 8, 0.4, 64, 18, 1, 0.99),
}


@pytest.mark.parametrize('name', SMALL)
def test_small_runs(name):
    master, crop, shift, smallest, batch, epochs, warm_up, momentum = SMALL[name]
    cfg = read_config(CONFIGS / f'{name}.py')
    steps = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert steps['MasterCrop'] == dict(
        type='MasterCrop', scale=master, crop_ratio_range=(smallest, 1.0)
    )
    assert steps['PixelShift'] == dict(type='PixelShift', crop_size=crop, max_shift=shift)
    assert steps['RandomHorizontalFlip'].prob == 0.5
    assert steps.get('ColorAugment', {'blur_prob': 0})['blur_prob'] == 0
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05
    )
    assert cfg.optim_wrapper.dtype == 'float16'  # on a CPU bfloat16 or float32
    first, second = cfg.param_scheduler
    assert (first.type, first.start_factor, first.begin, first.end) == (
        'LinearLR', 1e-4, 0, warm_up,
    )  # fmt: skip
    assert (second.type, second.T_max, second.begin, second.end) == (
        'CosineAnnealingLR', epochs - warm_up, warm_up, epochs,
    )  # fmt: skip
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.model.backbone.mask_ratio == 0.75
    if momentum is None:
        assert cfg.model.type == 'MAE'
    else:
        target = dict(type='MomentumUpdateHook', momentum=momentum)
        assert cfg.custom_hooks == [target, *DIAGNOSIS]
        contrastive = cfg.model.head.contrastive
        assert (contrastive.temperature, contrastive.loss_weight) == (0.07, 1.0)
    assert cfg.model.head.norm_pix
