# Hybrid-B with UperNet on ADE20K, 160k iterations of 8 x 2 images, from the maps of the stages.
# Command: tools/train.py configs/benchmarks/segmentation/hybrid-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# ConvMAE's recipe: layer decay 0.75, drop path 0.2, relative positions (of another form: docs/segmentation.md), a fourth map
# by a convolution; without its layer scales, which start as ones.
# Hardware: 8 GPUs of batch 2 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 52.5 % mIoU after 1600 epochs of pre-training (arXiv 2207.13532).
# Measured: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.DownstreamHybridViT',
        arch='b',
        img_size=512,
        stage_maps=True,
        final_norm=False,
        rel_pos=True,
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    ),
    neck=dict(
        _delete_=True,
        type='mmpretrain.AppendCoarserMap',
        in_channels=768,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(in_channels=[256, 384, 768, 768]),
)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
