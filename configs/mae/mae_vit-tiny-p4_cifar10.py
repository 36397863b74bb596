# MAE baseline of cmae_vit-tiny-p4_cifar10: same encoder, images and schedule.
# Command: tools/train.py configs/mae/mae_vit-tiny-p4_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/mae_vit-tiny-p4.py',
    '../_base_/datasets/cifar10_mae.py',
    '../_base_/schedules/adamw_coslr_cifar10.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(probe=dict(type='FeatureProbeHook', interval=10, max_per_class=200))
