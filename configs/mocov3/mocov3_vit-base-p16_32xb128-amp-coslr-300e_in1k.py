# ViT-B/16, MoCo v3 (mmpretrain's) on CMAE's data path, 300 epochs: a teacher of MimCo.
# Command: tools/train.py configs/mocov3/mocov3_vit-base-p16_32xb128-amp-coslr-300e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 83.2 % ImageNet top-1 after fine-tuning, 76.7 % by a linear probe (arXiv 2104.02057).
# Measured: not measured.
_base_ = [
    '../_base_/models/mocov3_vit-base-p16.py',
    '../_base_/datasets/imagenet_mocov3.py',
    '../_base_/schedules/mocov3_adamw_coslr_300e.py',
    '../_base_/default_runtime.py',
]
