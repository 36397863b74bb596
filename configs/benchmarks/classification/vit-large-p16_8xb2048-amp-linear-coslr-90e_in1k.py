# ViT-L/16 frozen, a linear classifier on its class token, ImageNet, 90 epochs, batch 8 x 2048.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/classification/vit-large-p16_8xb2048-amp-linear-coslr-90e_in1k.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/classification/vit-large-p16_8xb2048-amp-linear-coslr-90e_in1k.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/classification/vit-large-p16_8xb2048-amp-linear-coslr-90e_in1k.py 8 --auto-scale-lr  (on each of 2 nodes)
# MAE's recipe as mmpretrain has it for ViT-L.
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k.py'

model = dict(
    backbone=dict(arch='l', frozen_stages=24),
    neck=dict(input_features=1024),
    head=dict(in_channels=1024),
)
