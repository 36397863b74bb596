# ViT-S/16 fine-tuned on 10 % of ImageNet, 200 epochs, batch 8 x 128.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-200e_in1k-10pct.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-200e_in1k-10pct.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-200e_in1k-10pct.py 8 --auto-scale-lr  (on each of 2 nodes)
# The list of images is that of vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py, where all else is said.
# What the size changes is what it changes in vit-small-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-200e_in1k-10pct.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
