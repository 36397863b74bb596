# The quickstart's encoder fine-tuned on ten labelled pictures of each of 14 classes, after `make quickstart`.
# Command: tools/train.py configs/benchmarks/classification/quickstart.py
# (from random weights: --cfg-options model.backbone.init_cfg=None)
# Hardware: 2 CPU cores.
# Measured: see docs/classification.md.
_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='DownstreamViT',
        # of configs/cmae/cmae_quickstart.py
        arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512),
        img_size=64,
        patch_size=8,
        in_channels=1,
        out_type='avg_featmap',
        final_norm=False,
        init_cfg=dict(
            type='Pretrained', checkpoint='work_dirs/quickstart/epoch_18.pth', prefix='backbone.'
        ),
    ),
    head=dict(type='LinearClsHead', num_classes=14, in_channels=128),
)

data_preprocessor = dict(mean=[127.5], std=[25.0], to_rgb=False)
load = dict(type='LoadImageFromFile', color_type='grayscale')
train_pipeline = [
    load,
    dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.4, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=28,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root='data/builtin',
        data_prefix='train',
        # the first ten of a class's 300
        indices=[300 * label + index for label in range(14) for index in range(10)],
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_root='data/builtin',
        data_prefix='test',
        pipeline=[load, dict(type='Resize', scale=64), dict(type='PackInputs')],
    ),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_dataloader = val_dataloader
test_evaluator = val_evaluator

# float32: as fast as bfloat16 at this size, and the same on every CPU
optim_wrapper = dict(
    type='PrecisionOptimWrapper',
    dtype='float32',
    constructor='LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    # none: with 0.75 either start, random or pre-trained, ends two points lower
    paramwise_cfg=dict(layer_decay_rate=1.0),
)
auto_scale_lr = dict(base_batch_size=28)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=20)
val_cfg = dict()
test_cfg = dict()
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=2, **epochs),
    dict(type='CosineAnnealingLR', T_max=18, begin=2, end=20, **epochs),
]
default_hooks = dict(
    checkpoint=dict(interval=20, max_keep_ckpts=1),
    progress=dict(type='ProgressHook'),
)
randomness = dict(seed=0)
