_base_ = './mocov3_vit-base-p16.py'

sizes = dict(hid_channels=256, out_channels=64)
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
    neck=dict(in_channels=96, **sizes),
    head=dict(predictor=dict(in_channels=64, **sizes)),
)
