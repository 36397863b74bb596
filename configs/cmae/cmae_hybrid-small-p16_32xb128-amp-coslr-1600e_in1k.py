# Hybrid-S, the paper's recipe, 1600 epochs.
# Command: tools/train.py configs/cmae/cmae_hybrid-small-p16_32xb128-amp-coslr-1600e_in1k.py
# ConvMAE's paper has no such size: stages of 128 and 256, then 11 blocks of width 384, as in FastConvMAE's code.
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae_hybrid-small-p16.py',
    '../_base_/datasets/imagenet_cmae.py',
    '../_base_/schedules/adamw_coslr_1600e.py',
    '../_base_/default_runtime.py',
]

# ConvMAE's authors saw float16 fail after a thousand epochs
optim_wrapper = dict(dtype='bfloat16')
