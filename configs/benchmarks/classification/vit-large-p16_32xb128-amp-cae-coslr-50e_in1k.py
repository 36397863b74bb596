# ViT-L/16 fine-tuned on ImageNet, 50 epochs, batch 32 x 128: for encoders that CAE has pre-trained.
# Command: tools/train.py configs/benchmarks/classification/vit-large-p16_32xb128-amp-cae-coslr-50e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The released script's values (github.com/Atten4Vis/CAE, scripts/cae_large_finetune.sh); layer scales stay parameters.
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 86.0 % ImageNet top-1 after 800 epochs of pre-training, 86.2 % after 1600 (arXiv 2202.03026; the authors' README).
# Measured: not measured.
_base_ = './vit-large-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(layer_scale_init_value=0.1))
optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=4096)
train_cfg = dict(max_epochs=50)
epochs = dict(by_epoch=True, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=5, **epochs),
    dict(type='CosineAnnealingLR', T_max=45, eta_min=1e-6, begin=5, end=50, **epochs),
]
