# CAE's mask of half of the patches on CIFAR-10.
_base_ = './cifar10_mae.py'

data_preprocessor = dict(
    _delete_=True,
    type='CAEDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
load, crop, flip, shift, pack = _base_.train_pipeline
train_pipeline = [
    load,
    crop,
    flip,
    shift,
    dict(type='BlockMask', input_size=8, num_masking_patches=32, min_num_patches=5),
    pack,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
