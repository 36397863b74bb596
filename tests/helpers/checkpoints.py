"""Comparing checkpoints of runs."""

import torch

from cmae_mm.checkpoints import load_run

TIMES = ('time', 'images_per_s')


def state(path):
    """Everything in a checkpoint but wall-clock times, flattened."""
    checkpoint = load_run(path)
    meta = {k: v for k, v in checkpoint.pop('meta').items() if k not in ('time', 'cfg')}
    meta.pop('experiment_name')
    hub = checkpoint.pop('message_hub')
    logs = {k: v.data for k, v in hub['log_scalars'].items() if not k.endswith(TIMES)}
    info = {k: v for k, v in hub['runtime_info'].items() if k not in ('cfg', 'experiment_name')}
    info.pop('last_ckpt', None)
    return flat(dict(checkpoint, meta=meta, logs=logs, info=info))


def flat(value, name=''):
    if isinstance(value, dict):
        value = value.items()
    elif isinstance(value, (list, tuple)):
        value = enumerate(value)
    else:
        return {name: value}
    return {k: v for key, item in value for k, v in flat(item, f'{name}/{key}').items()}


def differences(there, here):
    assert there.keys() == here.keys()
    return [name for name in there if not same(there[name], here[name])]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return str(a) == str(b)
