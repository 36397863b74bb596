# CMAE as in the released code (github.com/ZhichengHuang/CMAE at e786a52), number
# for number: tools/check_parity.py. This file has the model's differences from the paper's.
_base_ = './cmae_vit-base-p16.py'

# Xavier for encoder and decoders only: projectors and predictor keep torch's initialisation
init_cfg = _base_.model.init_cfg
model = dict(
    init_cfg=None,
    backbone=dict(mask_ratio=0.65, mask_block=2, init_cfg=init_cfg),
    target=dict(final_norm=False),
    neck=dict(
        pixel=dict(init_cfg=init_cfg),
        feature=dict(out_channels=16 * 16 * 3, init_cfg=init_cfg),
    ),
    head=dict(contrastive=dict(loss_weight=2 * 0.07)),
)
