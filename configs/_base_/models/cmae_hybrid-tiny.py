# A small hybrid encoder for 32x32 images, about as large as cmae_vit-tiny-p4's (0.4 million parameters): strides that
# give the same 8x8 tokens of 4x4 pixels, so that the stages work at 16x16 and 8x8.
_base_ = './cmae_vit-tiny-p4.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='HybridViT',
        arch=dict(
            conv_dims=(32, 48),
            conv_layers=(2, 2),
            embed_dims=96,
            num_layers=3,
            num_heads=3,
            feedforward_channels=384,
        ),
        img_size=32,
        strides=(2, 2, 1),
        fusion=True,
        mask_ratio=0.75,
        mask_block=1,
    ),
    target=dict(fusion=False),
)
