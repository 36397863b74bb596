# The small encoders of the cifar10 configs fine-tuned on labelled 32x32 images.
# Command: tools/train.py configs/benchmarks/classification/vit-tiny-p4_cifar10.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=CHECKPOINT \
#         train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR
# (from random weights: model.backbone.init_cfg=None; with other encoders: tools/benchmarks/compare_methods.py)
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = './quickstart.py'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
        ),
        img_size=32,
        patch_size=4,
        in_channels=3,
        init_cfg=dict(checkpoint='work_dirs/cmae_vit-tiny-p4_cifar10/epoch_60.pth'),
    ),
    head=dict(num_classes=10, in_channels=96),
)

data_preprocessor = dict(
    _delete_=True, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
load = dict(type='LoadImageFromFile')
train_pipeline = [
    load,
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    dataset=dict(data_root='data/cifar10', indices=None, pipeline=train_pipeline),
)
val_dataloader = dict(
    dataset=dict(data_root='data/cifar10', pipeline=[load, dict(type='PackInputs')]),
)
test_dataloader = val_dataloader

optim_wrapper = dict(dtype='float16')  # on a CPU bfloat16, or float32 without instructions for it
auto_scale_lr = dict(base_batch_size=128)
