# CMAE by the released code (github.com/ZhichengHuang/CMAE at e786a52), number
# for number: tools/check_parity.py. Here are all its differences to the paper.
_base_ = './cmae_vit-base-p16.py'

model = dict(
    backbone=dict(mask_ratio=0.65, mask_block=2),
    target=dict(final_norm=False),
    neck=dict(feature=dict(out_channels=16 * 16 * 3)),
    head=dict(contrastive=dict(loss_weight=2 * 0.07)),
)
