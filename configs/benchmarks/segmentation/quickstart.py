# A small UperNet on scenes of the built-in photographs (128x128, 14 classes), on any CPU.
# Command: tools/downstream.py --tasks segmentation (make downstream), or, with the scenes that it
#     writes to data/scenes: tools/train.py configs/benchmarks/segmentation/quickstart.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/quickstart/epoch_18.pth
# Hardware: 2 CPU cores.
# Measured: see docs/segmentation.md.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

classes = (
    *('brick', 'coins', 'fur', 'grass', 'gravel', 'leaves', 'moon'),
    *('petals', 'print', 'retina', 'stars', 'temple', 'tissue', 'wood'),
)
model = dict(
    # the scenes are grey
    data_preprocessor=dict(size=(128, 128), mean=[127.5], std=[25.0], bgr_to_rgb=False),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512
        ),
        img_size=128,
        patch_size=8,
        in_channels=1,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.0,
    ),
    neck=dict(embed_dim=128, rescales=[2, 1, 0.5, 0.25]),
    decode_head=dict(in_channels=[128] * 4, channels=64, num_classes=len(classes)),
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode='whole'),
)

load = dict(type='LoadImageFromFile', color_type='grayscale')
labels = [
    dict(type='LoadAnnotations'),
    dict(type='mmpretrain.CheckLabelMap', num_classes=len(classes)),
]
resize = dict(type='Resize', scale=128)
pack = dict(type='PackSegInputs')
train_pipeline = [load, *labels, resize, dict(type='RandomFlip', prob=0.5), pack]
# compared with the labels of the scene as it is
test_pipeline = [load, resize, *labels, pack]
scenes = dict(
    _delete_=True,
    type='BaseSegDataset',
    data_root='data/scenes',
    metainfo=dict(classes=classes),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        **scenes,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        **scenes,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

# float32: the same on every CPU
optim_wrapper = dict(
    dtype='float32', optimizer=dict(lr=1e-3), paramwise_cfg=dict(layer_decay_rate=0.75)
)
auto_scale_lr = dict(base_batch_size=4)
train_cfg = dict(max_iters=500, val_interval=500)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', eta_min=0.0, power=1.0, by_epoch=False, begin=50, end=500),
]
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=500))
randomness = dict(seed=0)
