_base_ = './cae_adamw_coslr_300e.py'

train_cfg = dict(max_epochs=1600)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **epochs),
    dict(type='CosineAnnealingLR', T_max=1560, eta_min=1e-5, begin=40, end=1600, **epochs),
]
