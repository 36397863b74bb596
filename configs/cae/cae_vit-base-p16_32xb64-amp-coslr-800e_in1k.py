# ViT-B/16, CAE, 800 epochs.
# Command: tools/train.py configs/cae/cae_vit-base-p16_32xb64-amp-coslr-800e_in1k.py
# Hardware: 32 GPUs of batch 64 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 83.8 % ImageNet top-1 after fine-tuning (arXiv 2202.03026; the authors' README, github.com/Atten4Vis/CAE).
# Measured: not measured.
_base_ = [
    '../_base_/models/cae_vit-base-p16.py',
    '../_base_/datasets/imagenet_cae.py',
    '../_base_/schedules/cae_adamw_coslr_800e.py',
    '../_base_/default_runtime.py',
]
