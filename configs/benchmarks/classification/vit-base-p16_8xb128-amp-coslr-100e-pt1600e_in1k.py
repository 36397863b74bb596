# ViT-B/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-base-p16_8xb128-amp-coslr-100e-pt1600e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper's rate for them is 2.5e-4 per 256 images. It reports 84.7 % top-1.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
