# ViT-B/16 frozen, a linear classifier on its class token, ImageNet, 90 epochs, batch 8 x 2048.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# MAE's recipe as mmpretrain has it: LARS, lr 0.1 per 256 images, no weight decay, crops and flips only.
# Hardware: 8 GPUs of batch 2048 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py'

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

model = dict(backbone=dict(type='DownstreamViT'))
optim_wrapper = dict(type='PrecisionOptimWrapper', dtype='float16')
auto_scale_lr = dict(base_batch_size=16384)
# without persistent workers every epoch would draw the same random numbers
train_dataloader = dict(persistent_workers=True, collate_fn=dict(type='default_collate'))
default_hooks = dict(progress=dict(type='ProgressHook'))
