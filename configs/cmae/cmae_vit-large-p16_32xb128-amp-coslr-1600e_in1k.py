# ViT-L/16, the paper's recipe, 1600 epochs.
# Command: tools/train.py configs/cmae/cmae_vit-large-p16_32xb128-amp-coslr-1600e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae_vit-large-p16.py',
    '../_base_/datasets/imagenet_cmae.py',
    '../_base_/schedules/adamw_coslr_1600e.py',
    '../_base_/default_runtime.py',
]
