# ViT-S/16 fine-tuned on 10 % of ImageNet, 200 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-200e_in1k-10pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The list of images is that of vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py, where all else is said.
# What the size changes is what it changes in vit-small-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
