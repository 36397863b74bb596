"""Every value that CAE is pre-trained with, written down once more."""

import itertools

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import TRANSFORMS, init_default_scope
from mmpretrain.registry import MODELS

from cmae_mm.models import DALLETokenizer
from tests.helpers.configs import CONFIGS, read_config

# width, blocks, heads of the encoder; width and heads of regressor and decoder; layer scale
SIZES = {
    'small': (384, 12, 6, 384, 6, 0.1),
    'base': (768, 12, 12, 768, 12, 0.1),
    'large': (1024, 24, 16, 1024, 16, 1e-5),
}
WARM_UP = {300: 10, 800: 20, 1600: 40}
RECIPES = ('cae', 'cae-pixels')
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def imagenet_config(recipe, size, epochs):
    name = f'{recipe}_vit-{size}-p16_32xb64-amp-coslr-{epochs}e_in1k.py'
    return read_config(CONFIGS / 'cae' / name)


@pytest.mark.parametrize(
    'recipe, size, epochs', list(itertools.product(RECIPES, SIZES, (300, 800, 1600)))
)
def test_schedule_and_data_of_imagenet_runs(recipe, size, epochs):
    cfg = imagenet_config(recipe, size, epochs)
    wrapper = cfg.optim_wrapper
    assert wrapper.optimizer == dict(type='AdamW', lr=1.5e-3, betas=(0.9, 0.999), weight_decay=0.05)
    assert (wrapper.type, wrapper.dtype) == ('PrecisionOptimWrapper', 'float16')
    assert wrapper.clip_grad == dict(max_norm=3.0)
    assert cfg.auto_scale_lr.base_batch_size == 2048 and not cfg.auto_scale_lr.get('enable')
    unit = dict(by_epoch=True, convert_to_iter_based=True)
    begin = WARM_UP[epochs]
    cosine = dict(type='CosineAnnealingLR', T_max=epochs - begin, eta_min=1e-5)
    assert cfg.param_scheduler == [
        dict(type='LinearLR', start_factor=1e-4, begin=0, end=begin, **unit),
        dict(**cosine, begin=begin, end=epochs, **unit),
    ]
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=epochs)
    assert cfg.train_dataloader.batch_size == 64
    assert cfg.train_dataloader.dataset.pipeline == [
        dict(type='LoadImage'),
        dict(type='MasterCrop', scale=224, crop_ratio_range=(0.08, 1.0)),
        dict(type='RandomHorizontalFlip', prob=0.5),
        dict(type='PixelShift', crop_size=224, max_shift=0),
        dict(type='BlockMask', input_size=14, num_masking_patches=98, min_num_patches=16),
        dict(type='PackViews', views=('online',)),
    ]
    target_size = 112 if recipe == 'cae' else None
    assert cfg.data_preprocessor == dict(
        type='CAEDataPreprocessor', mean=MEAN, std=STD, target_size=target_size
    )


@pytest.mark.parametrize('recipe, size', list(itertools.product(RECIPES, SIZES)))
def test_models_of_imagenet_runs(recipe, size):
    width, depth, heads, inner, inner_heads, scale = SIZES[size]
    cfg = imagenet_config(recipe, size, 300)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    encoder, neck = model.backbone, model.neck
    assert (encoder.embed_dims, encoder.num_layers) == (width, depth)
    assert encoder.layers[0].attn.num_heads == heads
    assert (encoder.img_size, encoder.patch_size) == ((224, 224), 16)
    assert encoder.layers[-1].attn.out_drop.drop_prob == pytest.approx(0.1)
    assert (len(neck.regressors), len(neck.decoders)) == (4, 4)
    assert neck.mask_token.shape[-1] == inner
    assert neck.regressors[0].cross_attn.num_heads == inner_heads
    assert neck.decoders[0].attn.num_heads == inner_heads
    assert neck.regressors[-1].drop_path.drop_prob == pytest.approx(0.1)
    assert neck.decoders[-1].attn.out_drop.drop_prob == pytest.approx(0.1)
    assert cfg.model.backbone.layer_scale_init_value == scale
    assert cfg.model.neck.layer_scale_init_value == scale
    assert (model.alignment_weight, model.target_backbone) == (2.0, None)
    assert model.rescale_init == (size == 'large')
    if recipe == 'cae':
        assert neck.head.out_features == model.target_generator.vocab_size == 8192
        assert cfg.model.target_generator.checkpoint == 'data/dalle_encoder.pth'
    else:
        assert neck.head.out_features == 768 and model.head.norm_pix
        assert model.target_generator is None

    cfg.optim_wrapper.dtype = 'float32'
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in decay, name
            assert 'pos_embed' in name or name.startswith('target_generator'), name
        else:
            spared = parameter.ndim == 1 or name.endswith('token')
            assert decay[id(parameter)] == (0 if spared else 0.05), name


def test_fine_tuning_normalises_as_pretraining_does():
    cfg = read_config(
        CONFIGS / 'benchmarks/classification/vit-base-p16_32xb128-amp-cae-coslr-100e_in1k.py'
    )
    assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std) == (MEAN, STD)
    assert cfg.data_preprocessor.to_rgb and cfg.model.backbone.layer_scale_init_value == 0.1


def test_the_small_run_has_the_others_sizes_and_schedule():
    cfg = read_config(CONFIGS / 'cae/cae_vit-tiny-p4_cifar10.py')
    other = read_config(CONFIGS / 'cmae/cmae_vit-tiny-p4_cifar10.py')
    assert cfg.model.backbone.arch == other.model.backbone.arch
    assert cfg.param_scheduler == other.param_scheduler and cfg.train_cfg == other.train_cfg
    assert cfg.optim_wrapper.optimizer == other.optim_wrapper.optimizer
    assert cfg.train_dataloader.batch_size == other.train_dataloader.batch_size == 128
    init_default_scope(cfg.default_scope)
    steps = cfg.train_dataloader.dataset.pipeline
    mask = next(TRANSFORMS.build(step) for step in steps if step.type == 'BlockMask')
    assert (mask.height, mask.width, mask.num_masking_patches) == (8, 8, 32)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.backbone.patch_resolution == [8, 8] or model.backbone.patch_resolution == (8, 8)
    assert (len(model.neck.regressors), len(model.neck.decoders)) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize('recipe, size', list(itertools.product(RECIPES, SIZES)))
def test_pretraining_takes_a_step_at_full_size(recipe, size, tmp_path):
    cfg = imagenet_config(recipe, size, 300)
    if recipe == 'cae':  # the tokenizer alone is a narrow one, with random weights
        narrow = dict(n_hid=8, vocab_size=8192)
        tokenizer = dict(DALLETokenizer(**narrow).named_parameters())
        torch.save(tokenizer, tmp_path / 'dalle.pth')
        cfg.model.target_generator.update(**narrow, checkpoint=str(tmp_path / 'dalle.pth'))
    init_default_scope(cfg.default_scope)
    model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    model.init_weights()
    mask = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[4])
    masks = [torch.from_numpy(mask.transform({})['mask']) for _ in range(2)]
    images = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8)
    inputs = {'online': images, 'mask': torch.stack(masks)}
    losses = model.loss(**model.data_preprocessor({'inputs': inputs}))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
