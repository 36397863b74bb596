# Hybrid-S fine-tuned on ImageNet, 100 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/hybrid-small-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The recipe is Hybrid-B's, unchanged.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './hybrid-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='s'), head=dict(in_channels=384))
