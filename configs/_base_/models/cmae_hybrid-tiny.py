_base_ = ['./cmae_vit-tiny-p4.py', '../encoders/hybrid-base-p16.py']

model = dict(
    backbone=dict(_base_.hybrid_base, _delete_=True, **_base_.hybrid_tiny),
    target=dict(fusion=False),
)
