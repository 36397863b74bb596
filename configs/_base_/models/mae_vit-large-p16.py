_base_ = './mae_vit-base-p16.py'

model = dict(backbone=dict(arch='l'), neck=dict(embed_dim=1024))
