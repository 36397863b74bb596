"""One checkpoint through every downstream task, compared with random weights."""

import copy
import json
import os
import platform
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from cmae_mm.checkpoints import unwrap
from cmae_mm.engine.errors import require_writable
from cmae_mm.engine.ranks import fit_to_cpu

from . import report
from .console import console_to_file
from .predictions import Example, draw_examples, predict_examples
from .stopwatch import Stopwatch
from .together import run_together

RANDOM, PRETRAINED = 'from random weights', 'from the checkpoint'
_PICTURES = 6


class Task(NamedTuple):
    """A downstream task.

    Attributes:
        name: plain text.
        config: of its Runner, with the encoder's checkpoint in ``model.backbone.init_cfg``.
        metrics: titles of the host's metrics, by their names in the log.
    """

    name: str
    config: Config
    metrics: dict[str, str]


class Result(NamedTuple):
    """Result of one training: metrics in per cent by title, what was loaded, predictions."""

    metrics: dict[str, float]
    loaded: str
    classes: tuple[str, ...]
    examples: list[Example]


def run_transfer(tasks: list[Task], checkpoint: str, work_dir: str) -> dict[str, dict]:
    """Train each task from random weights and from a checkpoint, with the same schedule.

    The two trainings of a task run at once, each in a process and with a thread of its own.

    Leaves in ``work_dir`` one folder per training with mmengine's logs and checkpoint,
    ``results.json``, one picture of predictions per task, and ``report.html``.

    Args:
        tasks: to train.
        checkpoint: path of the pre-trained encoder.
        work_dir: folder to write to.

    Returns:
        metrics by task and start, and ``seconds`` by task.

    Raises:
        OSError: the work folder can't be written.
        SystemExit: a training has failed, for example because the checkpoint does not fit; it
            has printed why.
    """
    require_writable(work_dir)
    out, timed = Path(work_dir), Stopwatch(stages=len(tasks))
    results = {task.name: timed(task.name, _train_both, task, checkpoint, out) for task in tasks}
    summary = {
        name: {start: result.metrics for start, result in starts.items()}
        for name, starts in results.items()
    }
    summary['seconds'] = timed.seconds
    (out / 'results.json').write_text(json.dumps(summary, indent=2) + '\n')
    _report(tasks, results, checkpoint, timed.seconds, out)
    return summary


def _train_both(task: Task, checkpoint: str, out: Path) -> dict[str, Result]:
    """Train from both starts at once and print the metrics of each when it ends."""
    starts = {RANDOM: None, PRETRAINED: checkpoint}
    jobs = {
        start: (task, init, out / task.name / start.split()[-1]) for start, init in starts.items()
    }
    trained = {}
    for start, result in run_together(_train, jobs):
        metrics = (f'{title} {value:.1f} %' for title, value in result.metrics.items())
        print(f'      {start}: {", ".join(metrics)}', flush=True)
        trained[start] = result
    return {start: trained[start] for start in starts}


def _train(task: Task, checkpoint: str | None, folder: Path) -> Result:
    """Train, validate and predict; the host's log goes to the folder alone."""
    cfg = copy.deepcopy(task.config)
    cfg.work_dir = str(folder)
    if checkpoint is None:
        cfg.model.backbone.init_cfg = None
    else:
        cfg.model.backbone.init_cfg.checkpoint = checkpoint
    fit_to_cpu(cfg)
    with console_to_file(folder):
        runner = RUNNERS.build(cfg)
        runner.train()
        examples = predict_examples(runner, _PICTURES)
    scalars = runner.message_hub.log_scalars
    metrics = {
        # mmdetection's are fractions, the others per cent
        title: scalars[f'val/{name}'].current() * (100 if name.startswith('coco/') else 1)
        for name, title in task.metrics.items()
    }
    loaded = str(unwrap(runner.model).backbone.load_report or '')
    classes = tuple(runner.val_loop.dataloader.dataset.metainfo['classes'])
    return Result(metrics, loaded, classes, examples)


def _report(
    tasks: list[Task], results: dict, checkpoint: str, seconds: dict[str, float], out: Path
) -> None:
    sections = {'Metrics': _metrics(results)}
    for task in tasks:
        path = out / f'{task.name.lower()}.png'
        starts = results[task.name]
        classes = starts[RANDOM].classes
        draw_examples({start: r.examples for start, r in starts.items()}, classes, path)
        caption = f'Images of the validation set. Classes: {", ".join(classes)}.'
        sections[task.name] = report.picture(path, caption) + report.table(
            [('what was loaded', starts[PRETRAINED].loaded)]
        )
    times = ((name, f'{value:.0f}') for name, value in seconds.items())
    sections['Time'] = report.table([('task, both trainings at once', 'seconds'), *times])
    report.write_page(
        out / 'report.html',
        'One checkpoint, every downstream task',
        f'{checkpoint}, fine-tuned for each task, compared with the same training from random '
        f'weights; one seed, one thread per training, {platform.machine()}, {os.cpu_count()} '
        f'cores, torch {torch.__version__}.',
        sections,
    )


def _metrics(results: dict[str, dict[str, Result]]) -> str:
    rows = [('task', 'metric', RANDOM, PRETRAINED, 'difference')]
    for task, starts in results.items():
        before, after = starts[RANDOM].metrics, starts[PRETRAINED].metrics
        rows += [
            (task, title, f'{b:.1f} %', f'{a:.1f} %', f'{a - b:+.1f}')
            for (title, b), a in zip(before.items(), after.values())
        ]
    return report.table(rows)
