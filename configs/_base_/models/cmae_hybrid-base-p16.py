# CMAE with the hybrid encoder of ConvMAE (arXiv 2205.03892), whose details the paper (arXiv 2207.13532)
# leaves open: docs/hybrid.md has the choices. All else as with ViT-B.
_base_ = './cmae_vit-base-p16.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='HybridViT',
        arch='b',
        img_size=224,
        strides=(4, 2, 2),
        fusion=True,  # of the stages: for reconstruction
        mask_ratio=0.75,
        mask_block=1,
    ),
    target=dict(fusion=False),
)
