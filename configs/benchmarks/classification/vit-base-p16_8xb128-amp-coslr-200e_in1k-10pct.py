# ViT-B/16 fine-tuned on 10 % of ImageNet, 200 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# Trains on the 128,116 images of SimCLR's imagenet_subsets/10percent.txt (github.com/google-research/simclr).
# data/imagenet/meta/train_10percent.txt has one line of path and label per image, such as
# 'n01440764/n01440764_10026.JPEG 0'; docs/classification.md has the command that makes it from SimCLR's list.
# The schedule and the rate, 200 epochs at 2.5e-4 per 256 images, are this project's choice.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

train_dataloader = dict(dataset=dict(ann_file='meta/train_10percent.txt'))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=200, val_interval=5)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=10, **epochs),
    dict(type='CosineAnnealingLR', T_max=190, begin=10, end=200, **epochs),
]
default_hooks = dict(checkpoint=dict(interval=5))
