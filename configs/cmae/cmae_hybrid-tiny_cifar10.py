# cmae_vit-tiny-p4_cifar10 with a hybrid encoder of the same size: same images and schedule.
# Command: tools/train.py configs/cmae/cmae_hybrid-tiny_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/cmae_hybrid-tiny.py',
    '../_base_/datasets/cifar10_cmae.py',
    '../_base_/schedules/adamw_coslr_cifar10.py',
    '../_base_/default_runtime.py',
]

custom_hooks = [
    # a short run: a target that moves faster
    dict(type='MomentumUpdateHook', momentum=0.99),
    dict(type='ContrastDiagnosisHook', interval=50),
]
default_hooks = dict(probe=dict(type='FeatureProbeHook', interval=10, max_per_class=200))
