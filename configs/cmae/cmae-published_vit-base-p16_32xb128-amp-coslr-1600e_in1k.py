# ViT-B/16, the released code's recipe, 1600 epochs.
# Command: tools/train.py configs/cmae/cmae-published_vit-base-p16_32xb128-amp-coslr-1600e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 84.7 % ImageNet top-1 after fine-tuning (arXiv 2207.13532).
# Measured: not measured.
_base_ = './cmae-published_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'

train_cfg = dict(max_epochs=1600)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **epochs),
    dict(type='CosineAnnealingLR', T_max=1560, begin=40, end=1600, **epochs),
]
