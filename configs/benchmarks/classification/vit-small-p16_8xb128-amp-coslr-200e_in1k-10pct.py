# ViT-S/16 fine-tuned on 10 % of ImageNet, 200 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-200e_in1k-10pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# List of images, schedule and rate: see vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py.
# The size changes the same fields as in vit-small-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
