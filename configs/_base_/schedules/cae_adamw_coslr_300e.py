# The released code's, for a batch of 2048. Scales, like norms and biases, have no weight decay.
# --auto-scale-lr adapts the lr to another number of GPUs or batch size.
_base_ = './adamw_coslr_300e.py'

optim_wrapper = dict(
    optimizer=dict(lr=1.5e-3, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=3.0),
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
auto_scale_lr = dict(base_batch_size=2048)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=10, **epochs),
    dict(type='CosineAnnealingLR', T_max=290, eta_min=1e-5, begin=10, end=300, **epochs),
]
