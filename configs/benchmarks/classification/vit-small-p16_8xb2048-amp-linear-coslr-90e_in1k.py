# ViT-S/16 frozen, a linear classifier on its class token, ImageNet, 90 epochs, batch 8 x 2048.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb2048-amp-linear-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# MAE's recipe as mmpretrain has it for ViT-B.
# Hardware: 8 GPUs of batch 2048 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(arch='deit-s'),
    neck=dict(input_features=384),
    head=dict(in_channels=384),
)
