# ViT-L/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for encoders pre-trained for 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-large-p16_8xb128-amp-coslr-100e-pt1600e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper gives a rate for ViT-B only, 2.5e-4 per 256 images; the rest is as in vit-large-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = './vit-large-p16_8xb128-amp-coslr-100e_in1k.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
