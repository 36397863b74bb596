# The released code decays the weights of batch norms, too: it spares 'ln' and 'bias' alone.
_base_ = './adamw_coslr_300e.py'

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'bn0.weight': dict(decay_mult=1.0)}))
