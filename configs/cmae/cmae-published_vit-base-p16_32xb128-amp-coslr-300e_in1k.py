# ViT-B/16, the released code's recipe, 300 epochs.
# Command: tools/train.py configs/cmae/cmae-published_vit-base-p16_32xb128-amp-coslr-300e_in1k.py
# Hardware: 32 GPUs of batch 128 (docs/launching.md; fewer: --auto-scale-lr).
# Reported: 83.8 % ImageNet top-1 after fine-tuning (arXiv 2207.13532).
# Measured: not measured.
_base_ = [
    '../_base_/models/cmae-published_vit-base-p16.py',
    '../_base_/datasets/imagenet_cmae-published.py',
    '../_base_/schedules/adamw_coslr_300e.py',
    '../_base_/default_runtime.py',
]

# The released code also decays the weights of batch norms: it exempts only 'ln' and 'bias'.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'bn0.weight': dict(decay_mult=1.0)}))
