# CIFAR-10 as class folders: data/cifar10/{train,test}/<class>/*
_base_ = './imagenet_cmae.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=36, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=32, max_shift=4),
    # no blur: it leaves too little to see at 32x32
    dict(type='ColorAugment', view='target', blur_prob=0.0),
    dict(type='PackViews', where='auto'),
]
train_dataloader = dict(
    num_workers=1,
    dataset=dict(data_root='data/cifar10/', data_prefix='train', pipeline=train_pipeline),
)
feature_eval = dict(train='data/cifar10/train', test='data/cifar10/test')
