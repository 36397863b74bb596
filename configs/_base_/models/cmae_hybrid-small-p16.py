_base_ = './cmae_hybrid-base-p16.py'

model = dict(backbone=dict(arch='s'))
