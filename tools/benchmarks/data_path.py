#!/usr/bin/env python
"""Time the way from image files to training, beside other ways and beside the limit.

python tools/benchmarks/data_path.py [--images DIR] [--out work_dirs/benchmarks]

One thread per process. Every row is the best of several rounds over the same images, the rows in
changing order, so that a machine whose speed drifts is fair to all. Without --images the built-in
photographs are cut and written as JPEGs of 500x400. Leaves a JSON and a plot.
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from data_rows import (
    CONFIG,
    LIMIT,
    MASTER,
    RELEASED,
    WORKER,
    decode_only,
    own_dataset,
    stock_pipeline,
    write_photographs,
)
from data_timing import one_thread, time_loader, time_rows, time_stages
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import init_default_scope
from released_order import ReleasedOrder
from report import Ratio, write_results
from view_cost import describe, estimate_device_views, time_device_views

from cmae_mm.engine.errors import one_line_errors

# at least: times the released code's speed, and share of the limit
TARGETS = {MASTER: (9, 0.8), WORKER: (6, None)}
LOADER_TARGETS = {MASTER: 8, WORKER: 6}
DEVICE_TARGET = 0.05  # of a training step


def print_rows(figures: dict[str, float], targets: dict) -> None:
    """Print times beside the limit and the released code, and the targets beside both."""
    print(f'{"":38}{"ms/image":>10}{"images/s":>10}{"x released":>12}{"target":>8}', end='')
    print(f'{"of limit":>10}{"target":>8}' if LIMIT in figures else '')
    for name, ms in figures.items():
        speed, share = targets.get(name, (None, None))
        line = f'{name:38}{ms:10.2f}{1000 / ms:10.0f}{figures[RELEASED] / ms:12.1f}'
        line += f'{f">= {speed}" if speed else "":>8}'
        if LIMIT in figures:
            line += f'{figures[LIMIT] / ms:10.0%}{f">= {share:.0%}" if share else "":>8}'
        print(line)


def draw(per_core: dict[str, float], loaders: dict[str, dict[str, float]], path: Path) -> None:
    """Draw images per second, the limit as a line, the targets as marks."""
    names = list(per_core)[::-1]
    figure = Figure(figsize=(9, 0.8 * len(names) + 1), layout='constrained')
    axes = figure.subplots()
    series = {
        'one core': per_core,
        **{f'{n} DataLoader worker(s)': ms for n, ms in loaders.items()},
    }
    for number, (label, figures) in enumerate(series.items()):
        rows = [row for row, name in enumerate(names) if name in figures]
        speeds = [1000 / figures[names[row]] for row in rows]
        axes.barh([row + 0.27 * (1 - number) for row in rows], speeds, 0.25, label=label)
    for name, (times, _) in TARGETS.items():
        axes.plot(1000 / per_core[RELEASED] * times, names.index(name) + 0.27, 'k|', ms=18)
    axes.axvline(1000 / per_core[LIMIT], color='#c44e52', linestyle='--')
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel('images per second (dashed: the limit of a core; marks: targets of a core)')
    axes.legend(loc='lower right')
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, help='folder of images')
    parser.add_argument('--num', type=int, default=192, help='how many of them')
    parser.add_argument('--batch', type=int, default=64, help='images per batch of the DataLoader')
    parser.add_argument('--rounds', type=int, default=8)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks'))
    args = parser.parse_args()
    one_thread(0)
    init_default_scope('mmpretrain')
    with one_line_errors(), tempfile.TemporaryDirectory() as scratch:
        folder = args.images
        if folder is None:
            folder = Path(scratch, 'photographs')
            write_photographs(folder)
        run(folder, args)


def run(folder: Path, args: argparse.Namespace) -> None:
    device, worker = own_dataset(folder, 'device'), own_dataset(folder, 'worker')
    device.full_init()
    paths = [device.get_data_info(i)['img_path'] for i in range(min(args.num, len(device)))]
    paths *= -(-2 * args.batch // len(paths))
    rows = {
        LIMIT: decode_only,
        MASTER: lambda path: device.pipeline({'img_path': path}),
        WORKER: lambda path: worker.pipeline({'img_path': path}),
        'mmpretrain, one view': stock_pipeline(),
        RELEASED: ReleasedOrder(),
    }
    per_core = time_rows(rows, paths, args.rounds)
    print(f'{len(set(paths))} images, one core; best of {args.rounds}')
    print_rows(per_core, TARGETS)

    per_stage = time_stages(device.pipeline, paths, args.rounds)
    in_worker = time_stages(worker.pipeline, paths, args.rounds)
    per_stage['PackViews, views made here'] = in_worker['PackViews']
    print('stages of it, ms/image')
    for name, ms in per_stage.items():
        print(f'    {name:34}{ms:10.3f}')

    loaders = {}
    for workers in (1, 2):
        loaders[workers] = {
            name: time_loader(rows[name], paths, workers, args.batch, args.rounds)
            for name in rows
            if name != LIMIT
        }
        print(
            f'{workers} DataLoader worker(s), batch {args.batch}, collation and transfer included'
        )
        print_rows(
            loaders[workers],
            {name: (times, None) for name, times in LOADER_TARGETS.items()} if workers == 1 else {},
        )

    random.seed(0), np.random.seed(0)
    samples = [rows[MASTER](path) for path in paths]
    estimate = estimate_device_views(Config.fromfile(CONFIG), samples)
    print(describe(estimate))
    on_gpu = {}
    if torch.cuda.is_available():
        on_gpu = time_device_views(Config.fromfile(CONFIG), samples, 'cuda')
        print(
            'on {}, ms per image: copying {copying:.4f}, views {views:.4f}'.format(
                torch.cuda.get_device_name(), **on_gpu
            )
        )
    args.out.mkdir(parents=True, exist_ok=True)
    draw(per_core, loaders, args.out / 'data_path.png')
    figures = {
        'ms_per_image': per_core,
        'ms_per_stage': per_stage,
        'ms_with_workers': loaders,
        'views_on_gpu_estimated': estimate,
        'views_on_gpu_ms': on_gpu,
    }
    write_results(args.out, 'data_path', figures, ratios_of(per_core, loaders[1], estimate))


def ratios_of(
    per_core: dict[str, float], loader: dict[str, float], estimate: dict[str, float]
) -> list[Ratio]:
    """What was measured, beside its targets."""
    ratios = []
    for name, (speed, share) in TARGETS.items():
        ratios.append(
            Ratio(f'speed / released: {name}', per_core[RELEASED] / per_core[name], speed)
        )
        if share:
            ratios.append(Ratio(f'speed / limit: {name}', per_core[LIMIT] / per_core[name], share))
    for name, speed in LOADER_TARGETS.items():
        gain = loader[RELEASED] / loader[name]
        ratios.append(Ratio(f'speed / released, one worker: {name}', gain, speed))
    share = estimate['share']
    return [
        *ratios,
        Ratio('views, share of a step on a GPU (estimated)', share, DEVICE_TARGET, True),
    ]


if __name__ == '__main__':
    main()
