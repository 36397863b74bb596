# ViT-L/16 with UperNet on ADE20K, 160k iterations of 8 x 2 images.
# Command: tools/train.py configs/benchmarks/segmentation/vit-large-p16_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The protocol is ViT-B's, unchanged.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='l', out_indices=(7, 11, 15, 23)),
    neck=dict(embed_dim=1024),
    decode_head=dict(in_channels=[1024] * 4, channels=1024),
    auxiliary_head=dict(in_channels=1024),
)
