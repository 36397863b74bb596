# CMAE with the hybrid encoder of ConvMAE (arXiv 2205.03892), whose details the paper (arXiv 2207.13532)
# leaves open: docs/hybrid.md has the choices. All else as with ViT-B.
_base_ = ['./cmae_vit-base-p16.py', '../encoders/hybrid-base-p16.py']

model = dict(
    backbone=dict(_base_.hybrid_base, _delete_=True),
    target=dict(fusion=False),
)
