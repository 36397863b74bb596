# ViT-S/16 with UperNet on ADE20K, 160k iterations of 8 x 2 images.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/segmentation/vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/segmentation/vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/segmentation/vit-small-p16_upernet_8xb2-amp-160k_ade20k-512x512.py 8 --auto-scale-lr  (on each of 2 nodes)
# The protocol is that of ViT-B, unchanged.
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='deit-s'),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384),
    auxiliary_head=dict(in_channels=384),
)
