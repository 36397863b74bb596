# ViT-S/16, the paper's recipe, 800 epochs.
# Command: tools/train.py configs/cmae/cmae_vit-small-p16_32xb128-amp-coslr-800e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae_vit-small-p16.py',
    '../_base_/datasets/imagenet_cmae.py',
    '../_base_/schedules/adamw_coslr_800e.py',
    '../_base_/default_runtime.py',
]
