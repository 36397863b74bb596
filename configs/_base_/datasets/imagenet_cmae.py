# Master images of 255x255; views of 224x224, made on a GPU or, without one, in the workers. The
# target's is shifted by 0 to 30 pixels, "randomly selected from [0, p)" with p = 31 (paper, Sec. 3.3).
data_preprocessor = dict(
    type='CMAEDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # RGB
    std=[58.395, 57.12, 57.375],
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='MasterCrop', scale=255, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='PixelShift', crop_size=224, max_shift=30),
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
    dict(type='PackViews', where='auto'),
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
