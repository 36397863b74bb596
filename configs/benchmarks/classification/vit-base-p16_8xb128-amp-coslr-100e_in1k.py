# ViT-B/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of fewer than 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper's recipe as far as it is given (lr 5e-4 per 256 images, layer decay 0.65, drop path 0.1, mixup,
# cutmix, RandAugment) is what mmpretrain's config of MAE has. The paper reports 83.8 % top-1 after 300 epochs.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py'

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)

model = dict(backbone=dict(type='DownstreamViT'))
optim_wrapper = dict(
    type='PrecisionOptimWrapper',
    dtype='float16',
    constructor='LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, layer_decay_rate=0.65),
)
# workers that live on draw new random numbers in every epoch
train_dataloader = dict(persistent_workers=True, collate_fn=dict(type='default_collate'))
default_hooks = dict(progress=dict(type='ProgressHook'))
