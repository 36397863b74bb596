# ViT-B/16 with UperNet on ADE20K, with decomposed relative positions, which start from zero.
# Command: tools/train.py configs/benchmarks/segmentation/vit-base-p16_relpos_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(rel_pos=True))
