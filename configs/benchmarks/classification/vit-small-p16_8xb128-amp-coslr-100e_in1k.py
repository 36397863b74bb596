# ViT-S/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of fewer than 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper gives ViT-B's recipe, which is taken unchanged.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
