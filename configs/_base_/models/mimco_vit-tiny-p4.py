_base_ = './mimco_vit-base-p16.py'

arch = dict(embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384)
encoder = dict(arch=dict(_delete_=True, **arch), img_size=32, patch_size=4)
projector = dict(hid_channels=256)
model = dict(
    backbone=encoder,
    teacher=dict(backbone=encoder),
    neck=dict(decoder_embed_dim=64, decoder_depth=1, decoder_num_heads=2),
    head=dict(patch_projector=projector, image_projector=projector),
)
