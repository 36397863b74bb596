# Hybrid-B, the released code's recipe, 800 epochs.
# Command: tools/train.py configs/cmae/cmae-published_hybrid-base-p16_32xb128-amp-coslr-800e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae-published_hybrid-base-p16.py',
    '../_base_/datasets/imagenet_cmae-published.py',
    '../_base_/schedules/adamw_coslr_800e.py',
    '../_base_/default_runtime.py',
]

# The released code also decays the weights of batch norms: it exempts only 'ln' and 'bias'.
optim_wrapper = dict(
    dtype='bfloat16',  # ConvMAE's authors saw float16 fail after a thousand epochs
    paramwise_cfg=dict(custom_keys={'bn0.weight': dict(decay_mult=1.0)}),
)
