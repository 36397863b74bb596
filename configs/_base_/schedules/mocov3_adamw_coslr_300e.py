# MoCo v3's AdamW: everything decays.
_base_ = './adamw_coslr_300e.py'

optim_wrapper = dict(
    optimizer=dict(betas=(0.9, 0.999), weight_decay=0.1),
    paramwise_cfg=dict(_delete_=True),
)
