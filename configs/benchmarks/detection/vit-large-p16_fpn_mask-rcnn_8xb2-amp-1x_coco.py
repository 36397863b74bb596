# ViT-L/16 in Mask R-CNN with a feature pyramid of four blocks, on COCO for 12 epochs (1x), batch 8 x 2.
# Command: tools/train.py configs/benchmarks/detection/vit-large-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_vit-large-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py'

# decay of ViTDet's ViT-L; drop path between its 0.1 for ViT-B and 0.4 for 100 epochs of ViT-L
model = dict(
    backbone=dict(arch='l', out_indices=(7, 11, 15, 23), drop_path_rate=0.2),
    neck=[
        dict(_base_.model.neck[0], embed_dim=1024),
        dict(_base_.model.neck[1], in_channels=[1024] * 4),
    ],
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
