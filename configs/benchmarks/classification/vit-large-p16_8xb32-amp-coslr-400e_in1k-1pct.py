# ViT-L/16 fine-tuned on 1 % of ImageNet, 400 epochs, batch 8 x 32.
# Command: tools/train.py configs/benchmarks/classification/vit-large-p16_8xb32-amp-coslr-400e_in1k-1pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The list of images is that of vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py, where all else is said.
# What the size changes is what it changes in vit-large-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py'

model = dict(backbone=dict(arch='l', drop_path_rate=0.2), head=dict(in_channels=1024))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
