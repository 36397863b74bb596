# One view, with a mask of 98 of its 196 patches, and DALL-E's view of 8 pixels per patch.
_base_ = './imagenet_mae.py'

data_preprocessor = dict(
    _delete_=True,
    type='CAEDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # RGB; fine-tuning has the same
    std=[58.395, 57.12, 57.375],
    target_size=112,
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=224, crop_ratio_range=(0.08, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=224, max_shift=0),
    dict(type='BlockMask', input_size=14, num_masking_patches=98, min_num_patches=16),
    dict(type='PackViews', views=('online',)),
]
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
