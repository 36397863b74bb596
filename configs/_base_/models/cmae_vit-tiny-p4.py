# A small encoder for 32x32 images: width 96, 4 blocks, 8x8 patches of 4x4.
_base_ = './cmae_vit-base-p16.py'

decoder = dict(decoder_embed_dim=64, decoder_num_heads=2)
projector = dict(hid_channels=256, out_channels=64)
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
    ),
    neck=dict(
        pixel=dict(decoder_depth=2, **decoder),
        feature=dict(decoder_depth=1, **decoder),
        projector=projector,
    ),
    head=dict(predictor=projector),
)
