# The small encoders of all methods, for 32x32 images: 8x8 tokens of 4x4 pixels, 4 blocks of width 96; of the hybrid one 3,
# after stages that work at 16x16 and 8x8, which makes it about as large (0.4 million parameters).
blocks = dict(embed_dims=96, num_heads=3, feedforward_channels=384)
vit_tiny = dict(arch=dict(_delete_=True, num_layers=4, **blocks), img_size=32, patch_size=4)
hybrid_tiny = dict(
    arch=dict(conv_dims=(32, 48), conv_layers=(2, 2), num_layers=3, **blocks),
    img_size=32,
    strides=(2, 2, 1),
)
