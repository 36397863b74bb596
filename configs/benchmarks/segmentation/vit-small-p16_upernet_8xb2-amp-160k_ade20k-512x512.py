# ViT-S/16 with UperNet on ADE20K, 160k iterations of 8 x 2 images.
# Command: tools/train.py configs/benchmarks/segmentation/vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The protocol is ViT-B's, unchanged.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='deit-s'),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384),
    auxiliary_head=dict(in_channels=384),
)
