# Hybrid-S with UperNet on ADE20K, 160k iterations of 8 x 2 images, from the maps of the stages.
# Command: tools/train.py configs/benchmarks/segmentation/hybrid-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The recipe is Hybrid-B's, unchanged.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './hybrid-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='s'),
    neck=dict(in_channels=384),
    decode_head=dict(in_channels=[128, 256, 384, 384], channels=384),
    auxiliary_head=dict(in_channels=384),
)
