# ViT-S/16 fine-tuned on ImageNet, 100 epochs, batch 8 x 128: for checkpoints of fewer than 1600 epochs.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e_in1k.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e_in1k.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/classification/vit-small-p16_8xb128-amp-coslr-100e_in1k.py 8 --auto-scale-lr  (on each of 2 nodes)
# The paper gives ViT-B's recipe, which is taken unchanged.
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_8xb128-amp-coslr-100e_in1k.py'

model = dict(backbone=dict(arch='deit-s'), head=dict(in_channels=384))
