"""The quickstart: images, pre-training, evaluation before and after, report."""

import json
import os
import platform
from pathlib import Path

import mmengine
import mmpretrain
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import find_latest_checkpoint, set_random_seed

from cmae_mm.checkpoints import summarise_run
from cmae_mm.engine.errors import require_writable
from cmae_mm.engine.resume import INTERRUPTED, POINTER, newest_checkpoint
from cmae_mm.evaluation import build_encoder, evaluate_features, input_shape

from . import report
from .pictures import ensure_builtin_images
from .quickstart_pictures import draw_pictures
from .stopwatch import Stopwatch

_RESULTS = 'results.json'


def run_quickstart(cfg: Config) -> dict[str, dict]:
    """Pre-train on the built-in images and report the results.

    A run that was interrupted goes on where it was; one that had ended starts anew.

    Leaves in ``cfg.work_dir``: mmengine's logs and checkpoint, ``results.json``, ``report.html``
    and its pictures as PNGs.

    Args:
        cfg: config of a CMAE that trains on ``BuiltinImages`` and has them in
            ``feature_eval``.

    Returns:
        results of ``evaluate_features`` by ``before`` and ``after``, and ``seconds`` by
        stage.

    Raises:
        OSError: the work folder can't be written.
    """
    require_writable(cfg.work_dir)
    out, timed = Path(cfg.work_dir), Stopwatch(stages=5)
    init_default_scope(cfg.default_scope)
    # Building a model logs every tensor's initialisation: keep that quiet before the Runner.
    MMLogger.get_instance('quickstart', log_level='WARNING')
    images = cfg.train_dataloader.dataset.data_root
    timed('Cut pictures from built-in photographs', ensure_builtin_images, images)
    before = timed('Evaluate the untrained encoder', _evaluate, cfg, None)
    cfg.resume = _was_interrupted(out, cfg.randomness.seed)
    if not cfg.resume:
        _clear(out)
    runner = RUNNERS.build(cfg)
    timed('Pre-train', runner.train)
    checkpoint = find_latest_checkpoint(cfg.work_dir)
    after = timed('Evaluate the pre-trained encoder', _evaluate, cfg, checkpoint)
    results = dict(before=before, after=after, seconds=timed.seconds)
    timed('Draw and report', _report, cfg, results, checkpoint)
    return results


def _was_interrupted(out: Path, seed: int) -> bool:
    """Whether a folder holds a run of this seed that has not come to its results."""
    if (out / _RESULTS).exists():
        return False
    try:
        checkpoint = newest_checkpoint(out)
    except ValueError:  # nothing whole: nothing to go on from
        return False
    return checkpoint is not None and summarise_run(checkpoint).meta['seed'] == seed


def _clear(out: Path) -> None:
    """Remove what a new run would take for its own."""
    for pattern in (_RESULTS, POINTER, INTERRUPTED, 'epoch_*.pth'):
        for path in out.glob(pattern):
            path.unlink()


def _evaluate(cfg: Config, checkpoint) -> dict[str, float]:
    set_random_seed(cfg.randomness.seed)
    encoder = build_encoder(cfg, checkpoint)
    return evaluate_features(encoder, **cfg.feature_eval, shape=input_shape(cfg))


def _report(cfg: Config, results: dict, checkpoint: str) -> None:
    out = Path(cfg.work_dir)
    report.write_page(
        out / 'report.html',
        'CMAE quickstart',
        report.summarize(results['before'], results['after']),
        {
            'Frozen features': _accuracies(results),
            **draw_pictures(cfg, checkpoint),
            'What was run': report.table(_settings(cfg, results, checkpoint)),
            'Time': report.table(_times(results['seconds'])),
        },
    )
    (out / _RESULTS).write_text(json.dumps(results, indent=2) + '\n')  # the run has ended


def _accuracies(results: dict) -> str:
    before, after = results['before'], results['after']
    rows = [['', 'untrained', 'pre-trained', 'chance']]
    for key, name in (('knn', 'kNN, k = 20'), ('linear', 'linear probe')):
        values = (before[key], after[key], 100 / after['classes'])
        rows.append([name, *(f'{value:.1f} %' for value in values)])
    return report.table(rows) + (
        f'<p>Share of {after["test_images"]} test pictures whose class, one of '
        f'{after["classes"]}, is recognised from {after["train_images"]} training '
        'pictures. Both are cut from disjoint regions of the same photographs. The '
        'encoder never saw a label.</p>'
    )


def _settings(cfg: Config, results: dict, checkpoint: str) -> list:
    backbone, arch = cfg.model.backbone, cfg.model.backbone.arch
    images, size = results['before']['train_images'], backbone.img_size
    epochs, batch = cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size
    lr, threads = cfg.optim_wrapper.optimizer.lr, torch.get_num_threads()
    versions = (
        f'Python {platform.python_version()}, torch {torch.__version__}, '
        f'mmengine {mmengine.__version__}, mmpretrain {mmpretrain.__version__}'
    )
    return [
        ('setting', 'value'),
        ('images', f'{images} of {size}x{size} pixels, without their labels'),
        ('encoder', f'{arch.num_layers} blocks of width {arch.embed_dims}'),
        ('patches', f'{backbone.patch_size}x{backbone.patch_size} pixels'),
        ('training', f'{epochs} epochs, batch {batch}, learning rate {lr}'),
        ('seed', cfg.randomness.seed),
        ('checkpoint', Path(checkpoint).name),
        ('machine', f'{platform.machine()}, {os.cpu_count()} cores, {threads} threads'),
        ('versions', versions),
    ]


def _times(seconds: dict[str, float]) -> list:
    return [('stage', 'seconds'), *((k, f'{v:.0f}') for k, v in seconds.items())]
