_base_ = './cmae_vit-base-p16.py'

model = dict(backbone=dict(arch='l'))
