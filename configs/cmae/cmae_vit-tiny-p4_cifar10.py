# A small ViT on 32x32 images: CIFAR-10 as class folders train/ and test/.
# Command: tools/train.py configs/cmae/cmae_vit-tiny-p4_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10
# Hardware: 2 CPU cores. Time and result: see docs/results.md.
_base_ = [
    '../_base_/models/cmae_vit-tiny-p4.py',
    '../_base_/datasets/cifar10_cmae.py',
    '../_base_/schedules/adamw_coslr_300e.py',
    '../_base_/default_runtime.py',
]

train_cfg = dict(max_epochs=100)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=128)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=10, **epochs),
    dict(type='CosineAnnealingLR', T_max=90, begin=10, end=100, **epochs),
]
# a short run: a target that moves faster
custom_hooks = [dict(type='MomentumUpdateHook', momentum=0.99)]
