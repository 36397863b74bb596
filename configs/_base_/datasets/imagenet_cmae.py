# Master images of 256x256 from workers; views of 224x224 made on the device.
data_preprocessor = dict(
    type='CMAEDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # RGB
    std=[58.395, 57.12, 57.375],
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=256, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PixelShift', crop_size=224, max_shift=31),
    dict(
        type='ColorAugment',
        view='target',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        jitter_prob=0.8,
        gray_prob=0.2,
        blur_prob=0.5,
        blur_sigma=(0.1, 2.0),
    ),
    dict(type='PackViews', where='device'),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PretrainDataset',
        data_root='data/imagenet/',
        data_prefix='train',
        pipeline=train_pipeline,
    ),
)
