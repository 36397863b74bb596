# The encoder of cmae_hybrid-tiny, the decoder of mae_vit-tiny-p4.
_base_ = ['./convmae_hybrid-base-p16.py', '../encoders/tiny.py']

model = dict(
    backbone=dict(_base_.hybrid_base, _delete_=True, **_base_.hybrid_tiny),
    neck=dict(decoder_embed_dim=64, decoder_depth=2, decoder_num_heads=2),
)
