"""Checks of a Runner's config before it starts: fields that must agree."""

import logging

from mmengine.config import Config
from mmengine.logging import print_log


def fit_loaders(cfg: Config) -> None:
    """Make ``num_workers=0`` sufficient for loading in the main process.

    torch rejects options for workers when there are none.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False
            loader.pop('prefetch_factor', None)


def warn_of_cut_schedule(cfg: Config) -> None:
    """Warn if training ends before its schedule, as after overriding ``max_epochs`` alone."""
    length = cfg.get('train_cfg') or {}
    schedulers = cfg.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    for unit, limit in (
        ('epochs', length.get('max_epochs')),
        ('iterations', length.get('max_iters')),
    ):
        ends = {
            f'param_scheduler.{index}.end={scheduler.end} ({scheduler.type})': scheduler.end
            for index, scheduler in enumerate(schedulers)
            if scheduler.get('end') and scheduler.get('by_epoch', True) == (unit == 'epochs')
        }
        cut = [field for field, end in ends.items() if limit and end > limit]
        if cut:
            print_log(
                f'training ends after {limit} {unit}, before its learning rate schedule: '
                f'{", ".join(cut)}; for a run of this length set these too (and T_max, begin)',
                'current',
                logging.WARNING,
            )
