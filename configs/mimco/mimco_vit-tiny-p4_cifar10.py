# A small ViT on 32x32 images, MimCo-style; unpublished details chosen by this project (docs/mimco.md).
# The teacher is mocov3_vit-tiny-p4_cifar10's encoder.
# Command: tools/train.py configs/mimco/mimco_vit-tiny-p4_cifar10.py \
#     --cfg-options train_dataloader.dataset.data_root=/path/to/cifar10 model.teacher.checkpoint=TEACHER.pth
# Hardware: 2 CPU cores.
# Measured: see docs/results.md.
_base_ = [
    '../_base_/models/mimco_vit-tiny-p4.py',
    '../_base_/datasets/cifar10_mae.py',
    '../_base_/schedules/adamw_coslr_cifar10.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(probe=dict(type='FeatureProbeHook', interval=10, max_per_class=200))
