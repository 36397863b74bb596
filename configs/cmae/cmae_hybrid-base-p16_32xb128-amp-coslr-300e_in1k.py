# Hybrid-B, the paper's recipe, 300 epochs.
# Command: tools/train.py configs/cmae/cmae_hybrid-base-p16_32xb128-amp-coslr-300e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae_hybrid-base-p16.py',
    '../_base_/datasets/imagenet_cmae.py',
    '../_base_/schedules/adamw_coslr_300e.py',
    '../_base_/default_runtime.py',
]

# ConvMAE's authors saw float16 fail after a thousand epochs
optim_wrapper = dict(dtype='bfloat16')
