_base_ = './mimco_vit-base-p16.py'

model = dict(
    backbone=dict(arch='deit-s'),
    teacher=dict(backbone=dict(arch='mocov3-small')),  # of 12 heads
)
