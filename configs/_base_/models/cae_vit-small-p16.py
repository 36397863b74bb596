# Like the base one: the authors released none. Regressor and decoder are as wide as the encoder.
_base_ = './cae_vit-base-p16.py'

model = dict(backbone=dict(arch='deit-s'), neck=dict(embed_dims=384, num_heads=6))
