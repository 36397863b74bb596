# ViT-B/16 in Mask R-CNN with a feature pyramid of four blocks, on COCO for 12 epochs (1x), batch 8 x 2.
# Command: tools/train.py configs/benchmarks/detection/vit-base-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-base-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.DownstreamViT',
        arch='b',
        img_size=1024,
        # as in ViTDet: a global block at 800x1333 pixels costs several times a windowed one
        window_size=14,
        global_blocks=4,
        rel_pos=True,
        with_cls_token=False,
        final_norm=False,
        out_type='featmap',
        out_indices=(3, 5, 7, 11),
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    ),
    # four maps of stride 16 become strides 4, 8, 16 and 32 (mmsegmentation), then mmdetection's FPN
    neck=[
        dict(
            type='mmseg.Feature2Pyramid',
            embed_dim=768,
            rescales=[4, 2, 1, 0.5],
            norm_cfg=dict(type='SyncBN'),
        ),
        dict(type='FPN', in_channels=[768] * 4, out_channels=256, num_outs=5),
    ],
)

check_masks = dict(type='mmpretrain.CheckMasks')
train_pipeline = [check_masks, *_base_.train_pipeline]
test_pipeline = [check_masks, *_base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# ViTDet's optimiser and decay; the schedule is mmdetection's, the learning rate our choice
optim_wrapper = dict(
    _delete_=True,
    type='mmpretrain.PrecisionOptimWrapper',
    dtype='float16',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='mmpretrain.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.7),
)
# stops with an error if a head and the data set differ in their number of classes
custom_hooks = [dict(type='NumClassCheckHook')]
default_hooks = dict(progress=dict(type='mmpretrain.ProgressHook'))
