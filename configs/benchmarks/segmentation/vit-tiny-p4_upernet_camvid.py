# A small UperNet on street scenes at half resolution (CamVid, 11 classes), on any CPU.
# For your own data, copy this file and change the four lines below: see docs/segmentation.md.
# Command: tools/train.py configs/benchmarks/segmentation/vit-tiny-p4_upernet_camvid.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-tiny-p4_cifar10/epoch_60.pth
# Hardware: 2 CPU cores.
# Measured: see docs/segmentation.md.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

# images/{train,val}/NAME.png and annotations/{train,val}/NAME.png
data_root = 'data/camvid'
classes = (
    *('sky', 'building', 'pole', 'road', 'sidewalk', 'tree'),
    *('sign', 'fence', 'car', 'pedestrian', 'bicyclist'),
)
void = (11,)  # labels to ignore, in addition to 255
scale = (240, 180)  # images are resized to fit into it

crop_size = (96, 96)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
        ),
        img_size=crop_size,
        patch_size=4,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.0,
    ),
    neck=dict(embed_dim=96, rescales=[2, 1, 0.5, 0.25]),
    decode_head=dict(in_channels=[96] * 4, channels=64, num_classes=len(classes)),
    auxiliary_head=dict(in_channels=96, channels=64, num_classes=len(classes)),
    test_cfg=dict(crop_size=crop_size, stride=(64, 64)),
)

load = [
    dict(type='LoadAnnotations'),
    dict(type='mmpretrain.CheckLabelMap', num_classes=len(classes), void=void),
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    *load,
    dict(type='RandomResize', scale=scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    *load,
    dict(type='PackSegInputs'),
]
dataset = dict(
    _delete_=True,
    type='BaseSegDataset',
    data_root=data_root,
    img_suffix='.png',
    metainfo=dict(classes=classes),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='annotations/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='annotations/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# float32: the same on every CPU
optim_wrapper = dict(
    dtype='float32', optimizer=dict(lr=1e-3), paramwise_cfg=dict(layer_decay_rate=0.75)
)
auto_scale_lr = dict(base_batch_size=8)
train_cfg = dict(max_iters=700, val_interval=350)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=70),
    dict(type='PolyLR', eta_min=0.0, power=1.0, by_epoch=False, begin=70, end=700),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=350, max_keep_ckpts=2))
randomness = dict(seed=0)
