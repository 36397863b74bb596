# ViT-B/16, CAE, pixels as targets, 1600 epochs.
# Command: tools/train.py configs/cae/cae-pixels_vit-base-p16_32xb64-amp-coslr-1600e_in1k.py
# Hardware: 32 GPUs of batch 64 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cae-pixels_vit-base-p16.py',
    '../_base_/datasets/imagenet_cae-pixels.py',
    '../_base_/schedules/cae_adamw_coslr_1600e.py',
    '../_base_/default_runtime.py',
]
