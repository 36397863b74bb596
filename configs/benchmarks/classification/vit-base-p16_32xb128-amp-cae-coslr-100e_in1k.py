# ViT-B/16 fine-tuned on ImageNet, 100 epochs, batch 32 x 128: for encoders that CAE has pre-trained.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_32xb128-amp-cae-coslr-100e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The released script's values (github.com/Atten4Vis/CAE, scripts/cae_base_finetune.sh): 8e-3 for a batch of 4096; layer
# scales stay parameters. docs/cae.md says what differs.
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 83.6 % ImageNet top-1 after 300 epochs of pre-training, 83.8 % after 800, 83.9 % after 1600 (arXiv 2202.03026;
# the authors' README).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(layer_scale_init_value=0.1))
optim_wrapper = dict(optimizer=dict(lr=8e-3))
auto_scale_lr = dict(base_batch_size=4096)
