# The released code's recipe (github.com/ZhichengHuang/CMAE at e786a52), which has no hybrid encoder, with it.
_base_ = ['./cmae-published_vit-base-p16.py', '../encoders/hybrid-base-p16.py']

model = dict(
    backbone=dict(
        _base_.hybrid_base,
        _delete_=True,
        mask_ratio=0.65,
        mask_block=2,
        init_cfg=_base_.init_cfg,
    ),
    target=dict(fusion=False),
)
