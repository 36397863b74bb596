# Hybrid-B in Mask R-CNN on COCO, ViTDet's way (arXiv 2203.16527): 25 epochs, batch 8 x 2.
# Command: tools/train.py configs/benchmarks/detection/hybrid-base-p16_vitdet_mask-rcnn_8xb2-amp-lsj-25e_coco.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/cmae_hybrid-base-p16_32xb128-amp-coslr-1600e_in1k/epoch_1600.pth
# The recipe of github.com/OpenGVLab/Official-ConvMAE-Det at cd634d3: layer decay 0.8, global blocks 1, 4, 7 and 10, the map of
# stride 16 alone.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 53.9 box AP, 47.6 mask AP from ConvMAE's checkpoint of 1600 epochs, by its repository (arXiv 2205.03892).
# Measured: not measured.
_base_ = './vit-base-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.DownstreamHybridViT',
        arch='b',
        img_size=_base_.image_size,
        window_size=14,
        global_blocks=(1, 4, 7, 10),
        rel_pos=True,
        final_norm=False,
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    ),
)
max_epochs = 25
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
auto_scale_lr = dict(base_batch_size=16)
# 8/9 and 26/27 of training
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=max_epochs, milestones=[22, 24], gamma=0.1),
]
