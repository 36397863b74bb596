# MoCo v3's views: two crops of the whole image, drawn, flipped and coloured independently.
# `IndependentCrop` comes before `MasterCrop`, so that neither sees the other's crop; the first flip
# moves both, the second the online view alone. Its solarisation (a fifth of one view) is left out.
_base_ = './imagenet_cmae.py'

color = dict(type='ColorAugment', brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(type='IndependentCrop', crop_size=224, crop_ratio_range=(0.08, 1.0)),
    dict(type='MasterCrop', scale=224, crop_ratio_range=(0.08, 1.0)),
    dict(type='RandomHorizontalFlip', prob=0.5),
    dict(color, view='online', blur_prob=1.0),
    dict(color, view='target', blur_prob=0.1),
    dict(type='PackViews', where='auto'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
