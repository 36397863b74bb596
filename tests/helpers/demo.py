"""The downstream demonstration after one step on a few pictures."""

from .configs import CONFIGS, read_config

# of each task, by the name of its folder
HOSTS = {'classification': 'mmpretrain', 'segmentation': 'mmseg', 'detection': 'mmdet'}


def read_task(name):
    """The demonstration's config of a task."""
    return read_config(CONFIGS / 'benchmarks' / name / 'quickstart.py')


def shortened(cfg, data):
    """Change a demonstration's config to one step on the data of the fixture."""
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1)
    cfg.param_scheduler = None
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1, by_epoch=False)
    cfg.default_hooks.logger.interval = 1
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(data)
        loader.dataset.pop('indices', None)
    if 'ann_file' in cfg.val_evaluator:
        cfg.val_evaluator.ann_file = str(data / 'instances_val.json')
    return cfg
