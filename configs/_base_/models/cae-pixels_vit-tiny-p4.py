_base_ = './cae-pixels_vit-base-p16.py'

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=4,
            num_heads=3,
            feedforward_channels=384,
        ),
        img_size=32,
        patch_size=4,
        drop_path_rate=0.0,
    ),
    # as many blocks as the other tiny decoders have
    neck=dict(
        embed_dims=96,
        num_heads=3,
        regressor_depth=1,
        decoder_depth=1,
        drop_path_rate=0.0,
    ),
)
