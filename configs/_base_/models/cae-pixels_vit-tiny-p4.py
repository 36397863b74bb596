_base_ = ['./cae-pixels_vit-base-p16.py', '../encoders/tiny.py']

model = dict(
    backbone=dict(_base_.vit_tiny, drop_path_rate=0.0),
    # as many blocks as the other tiny decoders have
    neck=dict(
        embed_dims=96,
        num_heads=3,
        regressor_depth=1,
        decoder_depth=1,
        drop_path_rate=0.0,
    ),
)
