# Hybrid-B frozen, a linear classifier on its averaged tokens, ImageNet, 90 epochs, batch 8 x 2048.
# Command: tools/train.py configs/benchmarks/classification/hybrid-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# ConvMAE's protocol is MAE's. The norm of the average is trained, too; the batch norm after it takes its scales away again.
# Hardware: 8 GPUs of batch 2048 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='DownstreamHybridViT',
        arch='b',
        frozen_stages=11,
        out_type='avg_featmap',
        final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    )
)
