# A small Mask R-CNN on colour pictures of 128x128, annotated as COCO's are, on any CPU.
# For your own data, copy this file and change the three lines below: see docs/detection.md.
# Command: tools/train.py configs/benchmarks/detection/vit-tiny-p8_fpn_mask-rcnn_rgb.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/rgb_quickstart/epoch_18.pth
# Hardware: 2 CPU cores.
# Measured: see docs/detection.md.
_base_ = './quickstart.py'

# images/{train,val}/*.jpg and instances_{train,val}.json
data_root = 'data/scenes_rgb/'
classes = ('gravel', 'leaves', 'petals', 'print', 'temple')
scale = (128, 128)  # images are resized to it

model = dict(
    # of configs/cmae/cmae_rgb_quickstart.py; mmdetection reads BGR
    data_preprocessor=dict(mean=[127.5] * 3, std=[25.0] * 3, bgr_to_rgb=True),
    backbone=dict(in_channels=3, img_size=scale),
    roi_head=dict(
        bbox_head=dict(num_classes=len(classes)), mask_head=dict(num_classes=len(classes))
    ),
)

load = [dict(type='mmpretrain.CheckMasks'), dict(type='LoadImageFromFile')]
resize = dict(type='Resize', scale=scale)
train_pipeline = [*load, *_base_.train_pipeline[2:3], resize, *_base_.train_pipeline[4:]]
test_pipeline = [*load, resize, *_base_.test_pipeline[3:]]
data = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dict(**data, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**data, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'instances_val.json')
test_evaluator = val_evaluator
