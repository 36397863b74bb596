# Hybrid-S frozen, a linear classifier on its averaged tokens, ImageNet, 90 epochs, batch 8 x 2048.
# Command: tools/train.py configs/benchmarks/classification/hybrid-small-p16_8xb2048-amp-linear-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The recipe is Hybrid-B's, unchanged.
# Hardware: 8 GPUs of batch 2048 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './hybrid-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(arch='s'),
    neck=dict(input_features=384),
    head=dict(in_channels=384),
)
