# ViT-S/16, the last k blocks fine-tuned on ImageNet, 100 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-partial-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# k is set by model.backbone.frozen_stages = 12 - k on the command line: 12 for k = 0, 11 for k = 1, 10 for k = 2, 8 for k = 4, 6 for k = 6, 4 for k = 8, 0 for k = 12.
# The first blocks are frozen and, unless k is 12, so is the embedding; k = 0 trains only the head and its norm.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-small-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(frozen_stages=8))
