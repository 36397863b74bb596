# Hybrid-B fine-tuned on ImageNet, 100 epochs, batch 8 x 128.
# Command: tools/train.py configs/benchmarks/classification/hybrid-base-p16_8xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# ConvMAE's recipe is MAE's, with the same rates by layers: all stages learn as the embedding does.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 85.3 % ImageNet top-1 after 1600 epochs of pre-training (arXiv 2207.13532).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='DownstreamHybridViT',
        arch='b',
        drop_path_rate=0.1,
        out_type='avg_featmap',
        final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint='', prefix='backbone.'),
    )
)
