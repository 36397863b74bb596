# The encoder of cmae_hybrid-tiny, the decoder of mae_vit-tiny-p4.
_base_ = './convmae_hybrid-base-p16.py'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            conv_dims=(32, 48),
            conv_layers=(2, 2),
            embed_dims=96,
            num_layers=3,
            num_heads=3,
            feedforward_channels=384,
        ),
        img_size=32,
        strides=(2, 2, 1),
    ),
    neck=dict(decoder_embed_dim=64, decoder_depth=2, decoder_num_heads=2),
)
