# ViT-L/16 in Mask R-CNN on COCO, ViTDet's protocol: 100 epochs, batch 32 x 2.
# Command: tools/train.py configs/benchmarks/detection/vit-large-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-large-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# Hardware: 32 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py'

# drop path and decay of ViTDet's ViT-L (detectron2: projects/ViTDet/configs/COCO/mask_rcnn_vitdet_l_100ep.py)
model = dict(backbone=dict(arch='l', drop_path_rate=0.4), neck=dict(in_channels=1024))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
