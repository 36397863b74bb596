# ViT-S/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of 1600 epochs.
# Command: tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e-pt1600e_in1k.py \
#     --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth
# The paper gives ViT-B's rate, 2.5e-4 per 256 images; the rest as in vit-small-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs (docs/launching.md). Time and result: not measured.
_base_ = './vit-small-p16_8xb128-amp-coslr-100e_in1k.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
