# Hybrid-S in Mask R-CNN on COCO, ViTDet's way: 25 epochs, batch 8 x 2.
# Command: tools/train.py configs/benchmarks/detection/hybrid-small-p16_vitdet_mask-rcnn_8xb2-amp-lsj-25e_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_hybrid-small-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# The recipe is Hybrid-B's, unchanged.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './hybrid-base-p16_vitdet_mask-rcnn_8xb2-amp-lsj-25e_coco.py'

model = dict(backbone=dict(arch='s'), neck=dict(in_channels=384))
