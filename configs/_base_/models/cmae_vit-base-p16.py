# CMAE as in the paper (arXiv 2207.13532): masks of single patches, 75 %, target
# encoder like the online one. Widths that follow from the encoder are derived. What
# the paper leaves open is as in the released code (github.com/ZhichengHuang/CMAE at
# e786a52): the projector's widths and eps, the temperature and the constant momentum.
projector = dict(
    type='NonLinearNeck',
    hid_channels=1536,
    out_channels=256,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN', eps=1e-6),
)
model = dict(
    type='CMAE',
    backbone=dict(
        type='CMAEViT',
        arch='b',
        img_size=224,
        patch_size=16,
        mask_ratio=0.75,
        mask_block=1,
    ),
    # what sets the target encoder apart: it sees the whole image
    target=dict(mask_ratio=0.0, final_norm=True),
    neck=dict(
        pixel=dict(
            type='CMAEPixelDecoder',
            decoder_embed_dim=512,
            decoder_depth=8,
            decoder_num_heads=16,
        ),
        feature=dict(
            type='CMAEFeatureDecoder',
            decoder_embed_dim=512,
            decoder_depth=2,
            decoder_num_heads=16,
            out_channels=None,  # the encoder's width
            share_weights=False,  # with the pixel decoder
        ),
        projector=projector,
    ),
    head=dict(
        type='CMAEPretrainHead',
        norm_pix=True,
        loss_weight=1.0,
        loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        contrastive=dict(type='InfoNCELoss', temperature=0.07, loss_weight=1.0),
        predictor=projector,
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
custom_hooks = [
    dict(type='MomentumUpdateHook', momentum=0.996),
    dict(type='ContrastDiagnosisHook', interval=50),  # docs/contrast.md
]
