# ViT-S/16, MAE baseline on CMAE's data path, 1600 epochs.
# Command: tools/train.py configs/mae/mae_vit-small-p16_32xb128-amp-coslr-1600e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/mae_vit-small-p16.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_coslr_1600e.py',
    '../_base_/default_runtime.py',
]
