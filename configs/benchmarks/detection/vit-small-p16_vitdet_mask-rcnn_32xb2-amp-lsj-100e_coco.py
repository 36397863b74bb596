# ViT-S/16 in Mask R-CNN on COCO, 100 epochs, batch 32 x 2: ViTDet has no ViT-S; everything but the size is its ViT-B's.
# Command: tools/train.py configs/benchmarks/detection/vit-small-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-small-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# Hardware: 32 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py'

model = dict(backbone=dict(arch='deit-s'), neck=dict(in_channels=384))
