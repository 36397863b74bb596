# ConvMAE: the encoder of cmae_hybrid-tiny_cifar10, images and schedule of mae_vit-tiny-p4_cifar10.
# Command: tools/train.py configs/convmae/convmae_hybrid-tiny_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/convmae_hybrid-tiny.py',
    '../_base_/datasets/cifar10_mae.py',
    '../_base_/schedules/adamw_coslr_cifar10.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(probe=dict(type='FeatureProbeHook', interval=10, max_per_class=200))
