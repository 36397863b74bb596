# The released script's values for Large, with those after its missing backslash.
_base_ = './cae_vit-base-p16.py'

model = dict(
    backbone=dict(arch='l', layer_scale_init_value=1e-5),
    neck=dict(embed_dims=1024, num_heads=16, layer_scale_init_value=1e-5),
    rescale_init=True,
)
