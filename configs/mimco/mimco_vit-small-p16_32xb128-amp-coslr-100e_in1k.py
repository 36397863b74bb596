# ViT-S/16, MimCo-style with a MoCo v3 ViT-S as teacher, 100 epochs; unpublished details chosen by this project (docs/mimco.md).
# Command: tools/train.py configs/mimco/mimco_vit-small-p16_32xb128-amp-coslr-100e_in1k.py \
#     --cfg-options model.teacher.checkpoint=TEACHER.pth
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 82.53 % ImageNet top-1 after fine-tuning, by the authors' own implementation (arXiv 2209.03063).
# Measured: not measured.
_base_ = [
    '../_base_/models/mimco_vit-small-p16.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]
