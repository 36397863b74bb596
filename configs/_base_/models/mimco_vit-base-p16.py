# MimCo-style (arXiv 2209.03063); unpublished details chosen by this project: docs/mimco.md.
# The teacher is MoCo v3's; its checkpoint is to be given.
projector = dict(
    type='NonLinearNeck',  # width: the teacher's
    hid_channels=1536,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN', eps=1e-6),
)
model = dict(
    type='MimCo',
    backbone=dict(
        type='CMAEViT',
        arch='b',
        img_size=224,
        patch_size=16,
        mask_ratio=0.75,
        mask_block=1,
    ),
    masking='visible',  # or 'mask_tokens'
    teacher=dict(
        backbone=dict(type='MoCoV3ViT', arch='base', img_size=224, patch_size=16),
        checkpoint='',
        prefix='backbone.',
    ),
    neck=dict(
        type='TokenDecoder',  # to the teacher's width
        decoder_embed_dim=512,
        decoder_depth=2,
        decoder_num_heads=16,
    ),
    head=dict(
        type='MimCoHead',
        patch=dict(type='PatchInfoNCELoss', temperature=0.1, keys='image', loss_weight=1.0),
        image=dict(
            type='QueuedInfoNCELoss',
            temperature=0.2,
            loss_weight=2 * 0.2,
            queue_size=0,
        ),
        image_feature='mean',  # or 'cls'
        patch_projector=projector,
        image_projector=projector,
    ),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ],
)
