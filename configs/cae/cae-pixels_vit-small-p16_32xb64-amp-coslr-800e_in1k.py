# ViT-S/16, CAE, pixels as targets, 800 epochs.
# Command: tools/train.py configs/cae/cae-pixels_vit-small-p16_32xb64-amp-coslr-800e_in1k.py
# Hardware: 32 GPUs of batch 64 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cae-pixels_vit-small-p16.py',
    '../_base_/datasets/imagenet_cae-pixels.py',
    '../_base_/schedules/cae_adamw_coslr_800e.py',
    '../_base_/default_runtime.py',
]
