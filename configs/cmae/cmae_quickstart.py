# A small ViT on built-in photographs (64x64, 14 classes): width 128, 4 blocks.
# Command: tools/quickstart.py (make quickstart), or tools/train.py with this file.
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/cmae_vit-tiny-p4.py',
    '../_base_/datasets/imagenet_cmae.py',
    '../_base_/schedules/adamw_coslr_300e.py',
    '../_base_/default_runtime.py',
]

decoder = dict(decoder_embed_dim=64, decoder_num_heads=4)
projector = dict(hid_channels=512, out_channels=128)
model = dict(
    backbone=dict(
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512),
        img_size=64,
        patch_size=8,
        in_channels=1,
    ),
    neck=dict(pixel=decoder, feature=decoder, projector=projector),
    head=dict(predictor=projector),
)

# The pictures are grey: one channel, so saturation and hue have nothing to change. Grey levels
# deviate by 37 in all, and by 17 within a patch: divided by more than 25, texture would be small
# beside the positions added to it, and so many epochs too few to make up for that.
data_preprocessor = dict(mean=[127.5], std=[25.0])
train_pipeline = [
    dict(type='LoadImage', color_type='grayscale'),
    dict(type='MasterCrop', scale=72, crop_ratio_range=(0.4, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=64, max_shift=8),
    dict(
        type='ColorAugment',
        view='target',
        saturation=0.0,
        hue=0.0,
        gray_prob=0.0,
        blur_prob=0.0,
    ),
    dict(type='PackViews', where='auto'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    dataset=dict(type='BuiltinImages', data_root='data/builtin', pipeline=train_pipeline),
)
feature_eval = dict(train='data/builtin/train', test='data/builtin/test')

train_cfg = dict(max_epochs=18)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=64)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=1, **epochs),
    dict(type='CosineAnnealingLR', T_max=17, begin=1, end=18, **epochs),
]
custom_hooks = [
    # a short run: a target that moves faster
    dict(type='MomentumUpdateHook', momentum=0.99),
    dict(type='ContrastDiagnosisHook', interval=50),
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=18, max_keep_ckpts=1),
    probe=dict(type='FeatureProbeHook', interval=6),
)
work_dir = 'work_dirs/quickstart'
