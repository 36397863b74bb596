_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(imports=['cmae_mm'], allow_failed_imports=False)
runner_type = 'SafeRunner'  # docs/reliability.md

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=10, max_keep_ckpts=3),
    progress=dict(type='ProgressHook'),
)
randomness = dict(seed=0, diff_rank_seed=True)
