# ViT-B/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for encoders pre-trained for fewer than 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# What the paper gives of its recipe (lr 5e-4 per 256 images, layer decay 0.65, drop path 0.1, mixup,
# cutmix, RandAugment) is what mmpretrain's config of MAE has.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 83.8 % ImageNet top-1 after 300 epochs of pre-training (arXiv 2207.13532).
# Measured: not measured.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py'

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

model = dict(backbone=dict(type='DownstreamViT'))
optim_wrapper = dict(
    type='PrecisionOptimWrapper',
    dtype='float16',
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, layer_decay_rate=0.65),
)
# without persistent workers every epoch would draw the same random numbers
train_dataloader = dict(persistent_workers=True, collate_fn=dict(type='default_collate'))
default_hooks = dict(progress=dict(type='ProgressHook'))
