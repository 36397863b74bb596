# ViT-B/16, the released code's recipe, 300 epochs, batch 16 x 256.
# Command: NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/cmae/cmae-published_vit-base-p16_16xb256-amp-coslr-300e_in1k.py 8  (on each node)
# Hardware: 16 GPUs. Time and result: not measured.
_base_ = './cmae-published_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'

train_dataloader = dict(batch_size=256)
