import re

import pytest
from mmengine.config import Config

from cmae_mm.engine import config
from cmae_mm.engine.config import fit_loaders, warn_of_cut_schedule


def test_loading_in_the_main_process_takes_one_field():
    loaders = dict(
        train_dataloader=dict(num_workers=0, persistent_workers=True, prefetch_factor=2),
        val_dataloader=dict(num_workers=2, persistent_workers=True),
        test_dataloader=None,
    )
    cfg = Config(loaders)
    fit_loaders(cfg)
    assert cfg.train_dataloader == dict(num_workers=0, persistent_workers=False)
    assert cfg.val_dataloader == dict(num_workers=2, persistent_workers=True)


WARM_UP = dict(type='LinearLR', by_epoch=True, begin=0, end=6)
COSINE = dict(type='CosineAnnealingLR', T_max=54, begin=6, end=60)


@pytest.mark.parametrize(
    'train_cfg, schedule, fields',
    [
        (dict(max_epochs=60), [WARM_UP, COSINE], None),
        (dict(max_epochs=1), [WARM_UP, COSINE], 'param_scheduler.0.end=6 .*scheduler.1.end=60'),
        (dict(max_epochs=30), [WARM_UP, COSINE], 'schedule: param_scheduler.1.end=60'),
        (dict(max_epochs=30), COSINE, 'param_scheduler.0.end=60'),
        (dict(max_epochs=3), [dict(WARM_UP, by_epoch=False, end=500)], None),
        (dict(max_iters=300), [dict(WARM_UP, by_epoch=False, end=500)], 'after 300 iterations'),
        (dict(max_epochs=3), None, None),
    ],
)
def test_training_that_ends_before_its_schedule_is_warned_of(
    train_cfg, schedule, fields, monkeypatch
):
    warnings = []
    monkeypatch.setattr(config, 'print_log', lambda text, *_: warnings.append(text))
    warn_of_cut_schedule(Config(dict(train_cfg=train_cfg, param_scheduler=schedule)))
    assert len(warnings) == (fields is not None)
    assert not fields or re.search(fields, warnings[0])
