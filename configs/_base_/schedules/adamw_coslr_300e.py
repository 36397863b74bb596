# AdamW for a batch of 4096: lr = 1.5e-4 * 4096 / 256.
# --auto-scale-lr adapts the lr to another number of GPUs or batch size.
optim_wrapper = dict(
    type='PrecisionOptimWrapper',
    dtype='float16',
    constructor='PretrainOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys=dict(
            cls_token=dict(decay_mult=0.0),
            mask_token=dict(decay_mult=0.0),
        ),
    ),
)
auto_scale_lr = dict(base_batch_size=4096)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=40, **epochs),
    dict(type='CosineAnnealingLR', T_max=260, begin=40, end=300, **epochs),
]
