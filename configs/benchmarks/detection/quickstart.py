# Mask R-CNN on scenes of the built-in photographs (128x128, 5 classes), on any CPU.
# Command: tools/downstream.py --tasks detection (make downstream), or, with the scenes that it
#     writes to data/scenes: tools/train.py configs/benchmarks/detection/quickstart.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/quickstart/epoch_18.pth
# Hardware: 2 CPU cores.
# Measured: see docs/detection.md.
_base_ = './vit-base-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py'

classes = ('gravel', 'leaves', 'petals', 'print', 'temple')
width = 64
strides = [4, 8, 16, 32]  # of the pyramid, from patches of 8 pixels
rois = dict(out_channels=width, featmap_strides=strides, finest_scale=56)
model = dict(
    # the scenes are grey
    data_preprocessor=dict(mean=[127.5], std=[25.0], bgr_to_rgb=False),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512
        ),
        img_size=128,
        patch_size=8,
        in_channels=1,
        # windows as large as the pictures of pre-training
        window_size=8,
        global_blocks=(1, 3),
        rel_pos=False,
        out_indices=(0, 1, 2, 3),
    ),
    neck=[
        dict(_base_.model.neck[0], embed_dim=128, rescales=[2, 1, 0.5, 0.25]),
        dict(
            type='FPN',
            in_channels=[128] * 4,
            out_channels=width,
            num_outs=4,
            # the blocks' outputs differ in scale, and without pre-training there is little time
            norm_cfg=dict(type='SyncBN'),
        ),
    ],
    rpn_head=dict(
        in_channels=width,
        feat_channels=width,
        anchor_generator=dict(scales=[4], strides=strides),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(**rois, roi_layer=dict(output_size=4)),
        bbox_head=dict(
            in_channels=width,
            roi_feat_size=4,
            fc_out_channels=256,
            num_classes=len(classes),
            reg_class_agnostic=True,
        ),
        mask_roi_extractor=dict(**rois, roi_layer=dict(output_size=7)),
        mask_head=dict(
            num_convs=2,
            in_channels=width,
            conv_out_channels=width,
            num_classes=len(classes),
            class_agnostic=True,
        ),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=32, pos_fraction=0.5), mask_size=14),
    ),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=20)),
)

load = [
    dict(type='mmpretrain.CheckMasks'),
    dict(type='LoadImageFromFile', color_type='grayscale'),
]
objects = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
resize = dict(type='Resize', scale=128)
flip = dict(type='RandomFlip', prob=0.5)
train_pipeline = [*load, objects, resize, flip, dict(type='PackDetInputs')]
# compared with the objects of the scene as it is
test_pipeline = [*load, resize, objects, _base_.test_pipeline[-1]]
scenes = dict(data_root='data/scenes/', metainfo=dict(classes=classes))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        **scenes,
        ann_file='instances_train.json',
        data_prefix=dict(img='images/train/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        **scenes,
        ann_file='instances_val.json',
        data_prefix=dict(img='images/val/'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='data/scenes/instances_val.json')
test_evaluator = val_evaluator

# float32: as fast as bfloat16 at this size, and the same on every CPU
optim_wrapper = dict(
    dtype='float32',
    optimizer=dict(lr=1e-3),
    # none: with 0.8 the checkpoint ends several points lower
    paramwise_cfg=dict(layer_decay_rate=1.0),
)
auto_scale_lr = dict(base_batch_size=4)
epochs = 12
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=epochs, convert_to_iter_based=True),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=epochs))
randomness = dict(seed=0)
