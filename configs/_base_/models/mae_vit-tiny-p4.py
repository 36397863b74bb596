_base_ = ['./mae_vit-base-p16.py', '../encoders/tiny.py']

model = dict(
    backbone=_base_.vit_tiny,
    neck=dict(
        num_patches=64,
        patch_size=4,
        embed_dim=96,
        decoder_embed_dim=64,
        decoder_depth=2,
        decoder_num_heads=2,
    ),
    head=dict(patch_size=4),
)
