# The quickstart's small ViT on the built-in photographs in colour (64x64).
# Command: tools/train.py configs/cmae/cmae_rgb_quickstart.py
# Hardware: 2 CPU cores.
# Measured: not measured.
_base_ = './cmae_quickstart.py'

model = dict(backbone=dict(in_channels=3))
data_preprocessor = dict(mean=[127.5] * 3, std=[25.0] * 3)
train_pipeline = [
    dict(type='LoadImage'),
    *_base_.train_pipeline[1:4],
    # hues stay: the photographs are few, and each has its own
    dict(_base_.train_pipeline[4], saturation=0.4, hue=0.1),
    _base_.train_pipeline[5],
]
data_root = 'data/builtin_rgb'
train_dataloader = dict(dataset=dict(data_root=data_root, mode='RGB', pipeline=train_pipeline))
feature_eval = dict(train=f'{data_root}/train', test=f'{data_root}/test')
work_dir = 'work_dirs/rgb_quickstart'
