# MoCo v3's views of 32x32 pixels: larger crops, and no blur.
_base_ = './cifar10_cmae.py'

color = dict(
    type='ColorAugment', brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1, blur_prob=0.0
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='IndependentCrop', crop_size=32, crop_ratio_range=(0.2, 1.0)),
    dict(type='MasterCrop', scale=32, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(color, view='online'),
    dict(color, view='target'),
    dict(type='PackViews', where='auto'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
