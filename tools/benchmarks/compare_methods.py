#!/usr/bin/env python
"""Pre-train the small encoders by every method on the same images and compare what they learn.

python tools/benchmarks/compare_methods.py --images DIR [--methods ...] [--seeds 0 1 2] [--jobs 2]

DIR holds train/CLASS/* and test/CLASS/*, 32x32 pixels (CIFAR-10, say). Every method sees equally
many images in the schedule of its config (at another number of epochs stretched). Each stage of
each run is a process with one thread; a call that was interrupted (Ctrl-C, SIGTERM) goes on where
it was, and a finished stage is not repeated. MimCo's teacher is MoCo v3's encoder of the same seed,
whose images and minutes are counted with its own. Leaves table.md, JSON and a plot in the work
folder.
"""

import argparse
import functools
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import report
from matplotlib.figure import Figure
from mmengine.config import Config
from mmpretrain.datasets import CustomDataset

from cmae_mm.downstream import downstream_backbone
from cmae_mm.engine.errors import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
FINE_TUNING = ROOT / 'configs/benchmarks/classification/vit-tiny-p4_cifar10.py'
LABELS = (10, 100)  # per cent
COLUMNS = {
    'knn': 'kNN',
    'linear': 'linear probe',
    'attentive': 'attentive probe',
    'fine-tuned-10': 'fine-tuned, 10 % of labels',
    'fine-tuned-100': 'fine-tuned, all labels',
    'thousands': 'thousand images',
    'minutes': 'CPU minutes',
    'rate': 'images per CPU second',
}
COSTS = ('thousands', 'minutes')
ACCURACIES = [column for column in COLUMNS if column not in (*COSTS, 'rate')]


class Method(NamedTuple):
    """A row of the table: the config of its encoder, and the method of its teacher."""

    config: str
    trained: bool = True
    teacher: str | None = None

    @property
    def path(self) -> Path:
        return ROOT / 'configs' / self.config


METHODS = {
    'random': Method('mae/mae_vit-tiny-p4_cifar10.py', trained=False),
    'MAE': Method('mae/mae_vit-tiny-p4_cifar10.py'),
    'CMAE': Method('cmae/cmae_vit-tiny-p4_cifar10.py'),
    'CAE, pixels': Method('cae/cae_vit-tiny-p4_cifar10.py'),
    'MoCo v3': Method('mocov3/mocov3_vit-tiny-p4_cifar10.py'),
    'MimCo': Method('mimco/mimco_vit-tiny-p4_cifar10.py', teacher='MoCo v3'),
    'random, hybrid': Method('convmae/convmae_hybrid-tiny_cifar10.py', trained=False),
    'ConvMAE, hybrid': Method('convmae/convmae_hybrid-tiny_cifar10.py'),
    'CMAE, hybrid': Method('cmae/cmae_hybrid-tiny_cifar10.py'),
}
_locks = defaultdict(threading.Lock)  # of the pre-training of each folder
_running: set[subprocess.Popen] = set()
_stopping = threading.Event()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, required=True, help='folder with train/ and test/')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--epochs', type=int, default=60, help='of pre-training')
    parser.add_argument(
        '--fine-tuning-epochs',
        nargs=2,
        type=int,
        default=[100, 30],
        metavar=('FEW', 'ALL'),
        help='with 10 %% of the labels, and with all',
    )
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at once')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare_methods'))
    return parser.parse_args()


class Run(NamedTuple):
    """One method with one seed, in its folder."""

    name: str
    seed: int
    args: argparse.Namespace

    @property
    def method(self) -> Method:
        return METHODS[self.name]

    @property
    def folder(self) -> Path:
        name = self.name.lower().replace(',', '').replace(' ', '-')
        return self.args.work_dir / name / f'seed{self.seed}'

    def __call__(self) -> None:
        """Run all stages that are not done."""
        checkpoint = self.pretrain() if self.method.trained else None
        self._evaluate(checkpoint)
        for share, epochs in zip(LABELS, self.args.fine_tuning_epochs):
            self._fine_tune(checkpoint, share, epochs)

    def results(self) -> dict[str, float]:
        """Return what is measured up to now, by column."""
        found = {}
        for path in self.folder.glob('*.json'):
            found.update(json.loads(path.read_text()))
        if 'minutes' in found:
            found['rate'] = 1000 * found['thousands'] / (60 * found['minutes'])
        return {column: found[column] for column in COLUMNS if column in found}

    def pretrain(self) -> Path:
        """Pre-train, unless that is done, and return the path of the checkpoint."""
        epochs = self.args.epochs
        cfg = Config.fromfile(self.method.path)
        stretch(cfg, epochs)
        cfg.train_dataloader.dataset.data_root = str(self.args.images)
        cfg.default_hooks.checkpoint.update(interval=epochs, max_keep_ckpts=1)
        cfg.default_hooks.pop('probe', None)  # its time is not the method's
        spent = dict.fromkeys(COSTS, 0.0)
        if self.method.teacher:
            teacher = self._replace(name=self.method.teacher)
            cfg.model.teacher.checkpoint = str(teacher.pretrain())
            spent = teacher.results()
        with _locks[self.folder]:
            seconds = self._train('pretrain', cfg)
            if seconds is not None:
                images = epochs * len(labels_of(self.args.images))
                own = dict(thousands=images / 1000, minutes=seconds / 60)
                self._write('pretrain', **{cost: own[cost] + spent[cost] for cost in COSTS})
        return (self.folder / 'pretrain' / f'epoch_{epochs}.pth').absolute()

    def _evaluate(self, checkpoint: Path | None) -> None:
        out = self.folder / 'features.json'
        if out.exists():
            return
        folders = (f'--{part}={self.args.images / part}' for part in ('train', 'test'))
        seed = f'--seed={self.seed}'
        tool = ROOT / 'tools/evaluate_features.py'
        run = [tool, self.method.path, checkpoint or 'none', *folders, seed, '--attentive']
        self._call('features', [*run, '--workers=1', f'--out={out}'])

    def _fine_tune(self, checkpoint: Path | None, share: int, epochs: int) -> None:
        stage = f'fine-tuned-{share}'
        cfg = Config.fromfile(FINE_TUNING)
        stretch(cfg, epochs)
        cfg.model.backbone = encoder_to_tune(self.method.path, checkpoint)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.dataset.data_root = str(self.args.images)
        cfg.train_dataloader.dataset.indices = first_of_each(labels_of(self.args.images), share)
        cfg.train_cfg.val_interval = epochs
        cfg.default_hooks.checkpoint.update(interval=epochs, max_keep_ckpts=1)
        if self._train(stage, cfg) is not None:
            log = max((self.folder / stage).glob('*/vis_data/scalars.json'))
            top1 = json.loads(log.read_text().splitlines()[-1])['accuracy/top1']
            self._write(stage, **{stage: top1})

    def _train(self, stage: str, cfg: Config) -> float | None:
        """Train to the end, unless that is done, and return the CPU seconds."""
        if (self.folder / f'{stage}.json').exists():
            return None
        cfg.randomness.seed = self.seed
        config = self.folder / f'{stage}.py'
        config.parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(config)
        run = [ROOT / 'tools/train.py', config, f'--work-dir={self.folder / stage}', '--resume']
        return self._call(stage, run)

    def _call(self, stage: str, command: list) -> float:
        """Run a Python program with one thread, its output in a log.

        Returns:
            its CPU seconds, with those of earlier calls that were interrupted.
        """
        if _stopping.is_set():
            raise KeyboardInterrupt
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f'{stage}.log'
        with log.open('a') as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'OMP_NUM_THREADS': '1'},
            )
            _running.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            _running.remove(process)
        spent = self.folder / f'{stage}.seconds'
        seconds = usage.ru_utime + usage.ru_stime
        seconds += float(spent.read_text()) if spent.exists() else 0.0
        spent.write_text(str(seconds))
        if status:
            raise ValueError(f'{self.name}, seed {self.seed}: {stage} failed; see {log}')
        print(f'{self.name}, seed {self.seed}: {stage}', flush=True)
        return seconds

    def _write(self, stage: str, **figures: float) -> None:
        (self.folder / f'{stage}.json').write_text(json.dumps(figures) + '\n')


def ordered_runs(args: argparse.Namespace) -> list[Run]:
    """Return all runs, seed by seed; who needs a teacher comes last, so that nobody waits."""
    methods = sorted(args.methods, key=lambda name: METHODS[name].teacher is not None)
    return [Run(name, seed, args) for seed in args.seeds for name in methods]


def stop(*_) -> None:
    """End what runs, which saves where it is, and count its time; start nothing more."""
    _stopping.set()
    for process in list(_running):
        os.kill(process.pid, signal.SIGTERM)  # terminate() would take the status from wait4
    raise KeyboardInterrupt


def stretch(cfg: Config, epochs: int) -> None:
    """Change the number of epochs, and the schedule of the learning rate with it."""
    ratio = epochs / cfg.train_cfg.max_epochs
    for scheduler in cfg.param_scheduler:
        for key in {'begin', 'end', 'T_max'} & scheduler.keys():
            scheduler[key] *= ratio
    cfg.train_cfg.max_epochs = epochs


def encoder_to_tune(config: Path, checkpoint: Path | None) -> dict:
    """Return the config of a pre-training's encoder as a classifier's backbone."""
    start = checkpoint and dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.')
    encoder = downstream_backbone(Config.fromfile(config).model.backbone)
    return {**encoder, 'out_type': 'avg_featmap', 'final_norm': False, 'init_cfg': start}


@functools.cache
def labels_of(images: Path) -> list[int]:
    """Return the labels of the training images."""
    return list(CustomDataset(data_root=str(images), data_prefix='train').get_gt_labels())


def first_of_each(labels: list[int], share: int) -> list[int]:
    """Return the indices of the first images of each class, ``share`` per cent of them."""
    by_class = {}
    for index, label in enumerate(labels):
        by_class.setdefault(int(label), []).append(index)
    return [
        index for members in by_class.values() for index in members[: len(members) * share // 100]
    ]


def write_table(rows: dict[str, list[dict]], path: Path) -> str:
    """Write mean and standard deviation of the runs of each method as Markdown."""
    lines = [['', 'seeds', *COLUMNS.values()], ['---'] * (len(COLUMNS) + 2)]
    for name, runs in rows.items():
        cells = (spread([run[column] for run in runs if column in run]) for column in COLUMNS)
        lines.append([name, str(len(runs)), *cells])
    text = ''.join(f'| {" | ".join(cells)} |\n' for cells in lines)
    path.write_text(text)
    return text


def spread(values: Iterable[float]) -> str:
    """Return mean and standard deviation in plain text."""
    values = list(values)
    if not values:
        return ''
    text = f'{statistics.mean(values):.1f}'
    return text + (f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else '')


def draw(rows: dict[str, list[dict]], path: Path) -> None:
    """Draw a panel of bars per accuracy, with the standard deviations."""
    figure = Figure(figsize=(3.2 * len(ACCURACIES), 0.35 * len(rows) + 1.2), layout='constrained')
    for axes, column in zip(figure.subplots(1, len(ACCURACIES), sharey=True), ACCURACIES):
        for place, runs in enumerate(reversed(rows.values())):
            values = [run[column] for run in runs if column in run]
            if values:
                deviation = statistics.stdev(values) if len(values) > 1 else 0
                axes.barh(place, statistics.mean(values), xerr=deviation, color='#4878a8')
        axes.set_yticks(range(len(rows)), list(rows)[::-1])
        axes.set_title(COLUMNS[column], fontsize=9)
        axes.set_xlabel('top-1, %')
    figure.savefig(path, dpi=100)


def main() -> None:
    args = parse_args()
    signal.signal(signal.SIGTERM, stop)
    with one_line_errors():
        args.images = args.images.resolve(strict=True)
        runs = ordered_runs(args)
        with ThreadPoolExecutor(args.jobs) as pool:
            for _ in pool.map(Run.__call__, runs):
                pass
        rows = {
            name: [found for run in runs if run.name == name and (found := run.results())]
            for name in args.methods
        }
        print(write_table(rows, args.work_dir / 'table.md'))
        draw(rows, args.work_dir / 'compare_methods.png')
        report.write_results(args.work_dir, 'compare_methods', {'runs': rows}, [])


if __name__ == '__main__':
    main()
