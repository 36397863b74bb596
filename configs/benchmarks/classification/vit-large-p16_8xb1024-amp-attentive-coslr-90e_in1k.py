# ViT-L/16 frozen, one query's attention to all tokens and a linear classifier, ImageNet, 90 epochs, batch 8 x 1024.
# Command: tools/train.py configs/benchmarks/classification/vit-large-p16_8xb1024-amp-attentive-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# CAE's attentive probe, with the rates of ViT-B.
# Hardware: 8 GPUs of batch 1024 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb1024-amp-attentive-coslr-90e_in1k.py'

model = dict(
    backbone=dict(arch='l', frozen_stages=24),
    neck=dict(in_channels=1024),
    head=dict(in_channels=1024),
)
