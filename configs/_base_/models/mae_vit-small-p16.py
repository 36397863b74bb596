_base_ = './mae_vit-base-p16.py'

model = dict(backbone=dict(arch='deit-s'), neck=dict(embed_dim=384))
