_base_ = './mocov3_vit-base-p16.py'

model = dict(
    backbone=dict(arch='mocov3-small'),  # of 12 heads
    neck=dict(in_channels=384),
)
