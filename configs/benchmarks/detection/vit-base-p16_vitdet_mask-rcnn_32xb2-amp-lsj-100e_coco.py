# ViT-B/16 in Mask R-CNN on COCO, the protocol of ViTDet (arXiv 2203.16527): 100 epochs, batch 32 x 2.
# Command: tools/train.py configs/benchmarks/detection/vit-base-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-base-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# Hardware: 32 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 52.4 box AP, 46.5 mask AP, with a cosine schedule (arXiv 2207.13532; docs/detection.md).
# Measured: not measured.
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::common/lsj-100e_coco-instance.py',
]

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

image_size = 1024
layer_norm = dict(type='mmpretrain.LN2d', eps=1e-6)
model = dict(
    # squares in training and test, as in ViTDet; filled up with the mean colour
    data_preprocessor=dict(pad_size_divisor=image_size),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.DownstreamViT',
        arch='b',
        img_size=image_size,
        window_size=14,
        global_blocks=4,
        rel_pos=True,
        with_cls_token=False,
        final_norm=False,
        out_type='featmap',
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    ),
    neck=dict(
        _delete_=True, type='mmpretrain.SimpleFeaturePyramid', in_channels=768, out_channels=256
    ),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', norm_cfg=layer_norm),
        mask_head=dict(norm_cfg=layer_norm),
    ),
)

check_masks = dict(type='mmpretrain.CheckMasks')
train_pipeline = [check_masks, *_base_.train_pipeline]
test_pipeline = [check_masks, *_base_.test_pipeline]
test_pipeline[2].update(scale=(image_size, image_size))  # Resize, keeping the ratio
# the base counts four epochs as one: with whole ones the learning rate falls closer to ViTDet's
train_dataloader = dict(dataset=dict(times=1, dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_epochs = 100
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
optim_wrapper = dict(
    _delete_=True,
    type='mmpretrain.PrecisionOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='mmpretrain.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.7),
)
# ViTDet: 8/9 and 26/27 of training (iterations 163889 and 177546 of 184375)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=250),
    dict(type='MultiStepLR', begin=0, end=max_epochs, milestones=[89, 96], gamma=0.1),
]
# stops with an error if a head and the data set differ in their number of classes
custom_hooks = [dict(type='NumClassCheckHook')]
default_hooks = dict(progress=dict(type='mmpretrain.ProgressHook'))
