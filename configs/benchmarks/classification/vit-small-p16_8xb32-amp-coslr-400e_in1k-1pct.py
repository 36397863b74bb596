# ViT-S/16 fine-tuned on 1 % of ImageNet, 400 epochs, batch 8 x 32.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb32-amp-coslr-400e_in1k-1pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# List of images, schedule and rate: see vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py.
# The size changes the same fields as in vit-small-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs of batch 32 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
