_base_ = ['./cmae_vit-base-p16.py', '../encoders/tiny.py']

decoder = dict(decoder_embed_dim=64, decoder_num_heads=2)
projector = dict(hid_channels=256, out_channels=64)
model = dict(
    backbone=_base_.vit_tiny,
    neck=dict(
        pixel=dict(decoder_depth=2, **decoder),
        feature=dict(decoder_depth=1, **decoder),
        projector=projector,
    ),
    head=dict(predictor=projector),
)
