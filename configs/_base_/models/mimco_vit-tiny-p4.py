_base_ = ['./mimco_vit-base-p16.py', '../encoders/tiny.py']

projector = dict(hid_channels=256)
model = dict(
    backbone=_base_.vit_tiny,
    teacher=dict(backbone=_base_.vit_tiny),
    neck=dict(decoder_embed_dim=64, decoder_depth=1, decoder_num_heads=2),
    head=dict(patch_projector=projector, image_projector=projector),
)
