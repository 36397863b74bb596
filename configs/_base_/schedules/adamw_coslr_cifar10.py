_base_ = './adamw_coslr_300e.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=128)
train_cfg = dict(max_epochs=60)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=6, **epochs),
    dict(type='CosineAnnealingLR', T_max=54, begin=6, end=60, **epochs),
]
