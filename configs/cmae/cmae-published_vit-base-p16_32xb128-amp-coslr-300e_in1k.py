# ViT-B/16, the released code's recipe, 300 epochs, batch 32 x 128.
# Command: NNODES=4 NODE_RANK=<0 to 3> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/cmae/cmae-published_vit-base-p16_32xb128-amp-coslr-300e_in1k.py 8  (on each node)
# Hardware: 32 GPUs. Time and result: not measured.
_base_ = [
    '../_base_/models/cmae-published_vit-base-p16.py',
    '../_base_/datasets/imagenet_cmae-published.py',
    '../_base_/schedules/adamw-published_coslr_300e.py',
    '../_base_/default_runtime.py',
]
