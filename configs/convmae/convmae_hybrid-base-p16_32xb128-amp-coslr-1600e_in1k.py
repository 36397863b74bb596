# Hybrid-B, ConvMAE on CMAE's data path, 1600 epochs.
# Command: tools/train.py configs/convmae/convmae_hybrid-base-p16_32xb128-amp-coslr-1600e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 85.0 % ImageNet top-1 after fine-tuning (arXiv 2205.03892).
# Measured: not measured.
_base_ = [
    '../_base_/models/convmae_hybrid-base-p16.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_coslr_1600e.py',
    '../_base_/default_runtime.py',
]

# ConvMAE's authors saw float16 fail after a thousand epochs
optim_wrapper = dict(dtype='bfloat16')
