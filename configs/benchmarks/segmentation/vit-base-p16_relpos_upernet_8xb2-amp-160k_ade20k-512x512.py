# ViT-B/16 with UperNet on ADE20K, with decomposed relative positions, which start from zero.
# Command, each with --cfg-options model.backbone.init_cfg.checkpoint=PRETRAINED.pth:
#   tools/train.py configs/benchmarks/segmentation/vit-base-p16_relpos_upernet_8xb2-amp-160k_ade20k-512x512.py --auto-scale-lr  (1 GPU)
#   tools/dist_train.sh configs/benchmarks/segmentation/vit-base-p16_relpos_upernet_8xb2-amp-160k_ade20k-512x512.py 8  (8 GPUs)
#   NNODES=2 NODE_RANK=<0 to 1> MASTER_ADDR=<address of node 0> tools/dist_train.sh configs/benchmarks/segmentation/vit-base-p16_relpos_upernet_8xb2-amp-160k_ade20k-512x512.py 8 --auto-scale-lr  (on each of 2 nodes)
# Hardware: 8 GPUs. Time and result: not measured.
_base_ = './vit-base-p16_upernet_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(rel_pos=True))
