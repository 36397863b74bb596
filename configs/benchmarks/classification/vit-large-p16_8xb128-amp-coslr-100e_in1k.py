# ViT-L/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of fewer than 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-large-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper gives ViT-B's recipe. What goes with the depth, drop path and layer decay, is taken from
# mmpretrain's MAE ViT-L, which trains 50 epochs at twice the rate.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='l', drop_path_rate=0.2), head=dict(in_channels=1024))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
