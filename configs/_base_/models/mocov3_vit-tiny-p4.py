_base_ = ['./mocov3_vit-base-p16.py', '../encoders/tiny.py']

sizes = dict(hid_channels=256, out_channels=64)
model = dict(
    backbone=_base_.vit_tiny,
    neck=dict(in_channels=96, **sizes),
    head=dict(predictor=dict(in_channels=64, **sizes)),
)
