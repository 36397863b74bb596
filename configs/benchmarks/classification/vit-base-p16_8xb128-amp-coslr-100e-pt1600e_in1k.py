# ViT-B/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for encoders pre-trained for 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb128-amp-coslr-100e-pt1600e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper's rate for these is 2.5e-4 per 256 images.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 84.7 % ImageNet top-1 (arXiv 2207.13532).
# Measured: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
