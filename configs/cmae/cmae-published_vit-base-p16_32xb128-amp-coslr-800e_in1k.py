# ViT-B/16, the released code's recipe, 800 epochs.
# Command: tools/train.py configs/cmae/cmae-published_vit-base-p16_32xb128-amp-coslr-800e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './cmae-published_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'

train_cfg = dict(max_epochs=800)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **epochs),
    dict(type='CosineAnnealingLR', T_max=760, begin=40, end=800, **epochs),
]
