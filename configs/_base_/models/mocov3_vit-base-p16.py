# MoCo v3 (arXiv 2104.02057) as mmpretrain has it.
mlp = dict(
    type='NonLinearNeck',
    hid_channels=4096,
    out_channels=256,
    with_bias=False,
    with_last_bn=True,
    with_last_bn_affine=False,
    with_last_bias=False,
    with_avg_pool=False,
)
# its init_weights freezes the positions, once DistributedDataParallel counts on their gradients
find_unused_parameters = True
model = dict(
    type='MoCoV3',
    base_momentum=0.01,  # 1 - m; along a cosine to 0
    backbone=dict(type='MoCoV3ViT', arch='base', img_size=224, patch_size=16, stop_grad_conv1=True),
    neck=dict(mlp, in_channels=768, num_layers=3),
    head=dict(
        type='MoCoV3Head',
        predictor=dict(mlp, in_channels=256, num_layers=2),
        loss=dict(type='CrossEntropyLoss', loss_weight=2 * 0.2),
        temperature=0.2,
    ),
)
