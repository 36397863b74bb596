# CAE with pixels as targets: same encoder, images and schedule as cmae_vit-tiny-p4_cifar10.
# Command: tools/train.py configs/cae/cae_vit-tiny-p4_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/cae-pixels_vit-tiny-p4.py',
    '../_base_/datasets/cifar10_cae-pixels.py',
    '../_base_/schedules/adamw_coslr_cifar10.py',
    '../_base_/default_runtime.py',
]

# the released clipping of gradients; scales, like norms and biases, have no weight decay
optim_wrapper = dict(clip_grad=dict(max_norm=3.0), paramwise_cfg=dict(flat_decay_mult=0.0))
default_hooks = dict(probe=dict(type='FeatureProbeHook', interval=10, max_per_class=200))
