# ViT-B/16 fine-tuned on 1 % of ImageNet, 400 epochs, batch 8 x 32.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# Trains on the 12,811 images of SimCLR's imagenet_subsets/1percent.txt (github.com/google-research/simclr).
# data/imagenet/meta/train_1percent.txt has one line of path and label per image, such as
# 'n01440764/n01440764_10026.JPEG 0'; docs/classification.md has the command that makes it from SimCLR's list.
# The schedule and the rate, 400 epochs at 2.5e-4 per 256 images, are this project's choice.
# Hardware: 8 GPUs of batch 32 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

train_dataloader = dict(batch_size=32, dataset=dict(ann_file='meta/train_1percent.txt'))
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
auto_scale_lr = dict(base_batch_size=256)
train_cfg = dict(max_epochs=400, val_interval=20)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **epochs),
    dict(type='CosineAnnealingLR', T_max=360, begin=40, end=400, **epochs),
]
default_hooks = dict(checkpoint=dict(interval=20))
