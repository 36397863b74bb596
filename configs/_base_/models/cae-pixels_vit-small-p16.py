# Patch-normalised pixels in place of tokens, for machines without a tokenizer.
_base_ = './cae_vit-small-p16.py'

model = dict(
    head=dict(_delete_=True, type='ReconstructionHead', norm_pix=True),
    target_generator=None,
)
