_base_ = './adamw_coslr_300e.py'

train_cfg = dict(max_epochs=100)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=10, **epochs),
    dict(type='CosineAnnealingLR', T_max=90, begin=10, end=100, **epochs),
]
