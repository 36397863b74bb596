# MAE on the same data path: one view, no colour.
_base_ = './cifar10_cmae.py'

data_preprocessor = dict(views=('online',))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=32, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=32, max_shift=0),
    dict(type='PackViews', views=('online',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
