# ViT-S/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for encoders pre-trained for fewer than 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper gives a recipe for ViT-B only; it is used unchanged.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
