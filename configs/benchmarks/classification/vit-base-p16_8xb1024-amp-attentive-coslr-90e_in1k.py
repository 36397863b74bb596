# ViT-B/16 frozen, one query's attention to all tokens and a linear classifier, ImageNet, 90 epochs, batch 8 x 1024.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb1024-amp-attentive-coslr-90e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# CAE's attentive probe (arXiv 2202.03026): SGD, lr 0.4 for a batch of 8192, momentum 0.9, no weight decay.
# Hardware: 8 GPUs of batch 1024 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(out_type='raw'),
    neck=dict(_delete_=True, type='AttentivePooling', in_channels=768),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.4, momentum=0.9, weight_decay=0.0)
)
auto_scale_lr = dict(base_batch_size=8192)
train_dataloader = dict(batch_size=1024)
