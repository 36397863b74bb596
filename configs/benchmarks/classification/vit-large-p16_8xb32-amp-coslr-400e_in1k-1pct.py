# ViT-L/16 fine-tuned on 1 % of ImageNet, 400 epochs, batch 8 x 32.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/classification/vit-large-p16_8xb32-amp-coslr-400e_in1k-1pct.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/classification/vit-large-p16_8xb32-amp-coslr-400e_in1k-1pct.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/classification/vit-large-p16_8xb32-amp-coslr-400e_in1k-1pct.py 8 --auto-scale-lr  (on each of 2 nodes)
# The list of images is that of vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py, where all else is said.
# What the size changes is what it changes in vit-large-p16_8xb128-amp-coslr-100e_in1k.py.
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_8xb32-amp-coslr-400e_in1k-1pct.py'

model = dict(backbone=dict(arch='l', drop_path_rate=0.2), head=dict(in_channels=1024))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
