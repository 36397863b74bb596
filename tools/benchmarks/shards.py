#!/usr/bin/env python
"""Time reading from files and from shards, packing, and what shrinking saves.

python tools/benchmarks/shards.py --images DIR [--num 2000] [--side 1500]

One DataLoader worker with the pipeline of the ImageNet config, collation and transfer included; the
best of several rounds, the ways in turn. "from disk": the system's copies in memory were dropped
before. "http": a server on this machine, its shards not yet on the disk. --side enlarges the images
before, to the size of photographs. Leaves a JSON and a plot.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from data_timing import one_thread
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.logging import MMLogger
from mmengine.registry import DATA_SAMPLERS, DATASETS, init_default_scope
from torch.utils.data import DataLoader

import cmae_mm  # noqa: F401
from cmae_mm.datasets.decode import decode
from cmae_mm.datasets.folder import find_images
from cmae_mm.datasets.packing import Shrink, list_sources, pack
from cmae_mm.engine.errors import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/cmae/cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'
BATCH = 64


def copy_images(images: Path, folder: Path, num: int, side: int | None) -> None:
    """Write so many images, copies of the given ones; enlarged to a short side, if given."""
    names = find_images(images)[0]
    folder.mkdir()
    for number in range(num):
        content = (images / names[number % len(names)]).read_bytes()
        if side and number < len(names):
            image = cv2.cvtColor(decode(content), cv2.COLOR_RGB2BGR)
            scale = side / min(image.shape[:2])
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            content = cv2.imencode('.jpg', image)[1].tobytes()  # quality 95
        elif side:
            content = (folder / f'{number % len(names):06}.jpg').read_bytes()
        (folder / f'{number:06}.jpg').write_bytes(content)


def forget(folder: Path) -> None:
    """Drop the system's copies of files from memory."""
    os.sync()
    for path in folder.rglob('*'):
        if path.is_file():
            with path.open('rb') as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Way(NamedTuple):
    """A way to the images: configs of dataset and sampler, and what is done before each round."""

    dataset: dict
    sampler: str
    prepare: Callable[[], object] = lambda: None

    def rate(self) -> float:
        """Return images per second through one DataLoader worker."""
        self.prepare()
        data = DATASETS.build(dict(self.dataset, lazy_init=True))
        data.full_init()
        order = DATA_SAMPLERS.build(dict(type=self.sampler, dataset=data, seed=0))
        loader = DataLoader(
            data,
            BATCH,
            sampler=order,
            num_workers=1,
            collate_fn=default_collate,
            worker_init_fn=one_thread,
            multiprocessing_context='fork',
            drop_last=True,
        )
        start = time.perf_counter()
        batches = sum(1 for _ in loader)
        return batches * BATCH / (time.perf_counter() - start)


def decoding_rate(folder: Path, rounds: int) -> float:
    """Return images per second and core of decoding whole images, nothing else."""
    contents = [path.read_bytes() for path in sorted(folder.iterdir())[:200]]
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        for content in contents:
            cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        seconds.append(time.process_time() - start)
    return len(contents) / min(seconds)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder by Python's http server, in a process of its own; gives the URL."""
    command = [sys.executable, '-u', '-m', 'http.server', '0', '--bind', '127.0.0.1']
    with subprocess.Popen(
        [*command, '--directory', str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield re.search(r'http://[\d.]+:\d+', process.stdout.readline())[0]
        finally:
            process.terminate()


def size(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def measure(images: Path, scratch: Path, rounds: int, shrink: Shrink) -> dict[str, dict]:
    """Return images per second and bytes of each way, by its name; the ways take turns."""
    pipeline = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    pipeline[-1].where = 'device'  # master images
    files = dict(type='PretrainDataset', data_root=str(images), pipeline=pipeline)
    cache = scratch / 'cache'
    sharded = dict(files, type='ShardDataset', cache_dir=str(cache))
    ways = {
        'files, from disk': Way(files, 'SeededSampler', partial(forget, images)),
        'files': Way(files, 'SeededSampler'),
    }
    rows = {name: dict(bytes=size(images)) for name in ways}
    with contextlib.ExitStack() as servers:
        for name, how in (('shards', None), (f'shards, short side {shrink.short_side}', shrink)):
            out = scratch / name.replace(' ', '_')
            start = time.perf_counter()
            sources = list_sources(images)
            pack(sources, images, out, 100, how, workers=1)
            packing = len(sources) / (time.perf_counter() - start)
            url = servers.enter_context(serving(out))
            for place, root, prepare in (
                (', from disk', out, partial(forget, out)),
                ('', out, lambda: None),
                (', http', url, partial(shutil.rmtree, cache, ignore_errors=True)),
            ):
                way = Way(dict(sharded, data_root=str(root)), 'ShardSampler', prepare)
                ways[name + place] = way
                rows[name + place] = dict(bytes=size(out), packed_per_s=packing)
        rates = [{name: way.rate() for name, way in ways.items()} for _ in range(rounds)]
    for name, row in rows.items():
        row['images_per_s'] = max(of_round[name] for of_round in rates)
    limit = dict(images_per_s=decoding_rate(images, rounds), bytes=size(images))
    return {**rows, 'decoding the files alone': limit}


def draw(rows: dict[str, dict], path: Path) -> None:
    """Draw images per second, and the limit as a line."""
    figure = Figure(figsize=(8, 0.45 * len(rows) + 1), layout='constrained')
    axes = figure.subplots()
    *names, limit = rows
    axes.barh(names[::-1], [rows[n]['images_per_s'] for n in names[::-1]], color='#4878a8')
    axes.axvline(rows[limit]['images_per_s'], color='#c44e52', linestyle='--')
    axes.set_xlabel(f'images per second, one worker (dashed: {limit})')
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, required=True, help='folder of images')
    parser.add_argument('--num', type=int, default=2000, help='copies of them in all')
    parser.add_argument('--side', type=int, help='enlarge them to this short side')
    parser.add_argument('--short-side', type=int, default=384, help='of the shrunk images')
    parser.add_argument('--quality', type=int, default=90, help='of the shrunk images')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks/shards'))
    args = parser.parse_args()
    one_thread(0)
    init_default_scope('mmpretrain')
    MMLogger.get_instance('shards', log_level='WARNING')
    args.out.mkdir(parents=True, exist_ok=True)
    with one_line_errors(), tempfile.TemporaryDirectory(dir=args.out) as scratch:
        images = Path(scratch, 'images')
        copy_images(args.images, images, args.num, args.side)
        shrink = Shrink(args.short_side, args.quality)
        rows = measure(images, Path(scratch), args.rounds, shrink)
        files = rows['files']
        print(f'{args.num} images; best of {args.rounds}; one worker, batch {BATCH}')
        print(f'{"":38}{"images/s":>10}{"x files":>9}{"KB/image":>10}{"packed/s":>10}')
        for name, row in rows.items():
            speed = row['images_per_s']
            packed = f'{row["packed_per_s"]:10.0f}' if 'packed_per_s' in row else ''
            print(
                f'{name:38}{speed:10.0f}{speed / files["images_per_s"]:9.2f}'
                f'{row["bytes"] / args.num / 1000:10.0f}{packed}'
            )
        draw(rows, args.out / 'shards.png')
        (args.out / 'shards.json').write_text(json.dumps(rows, indent=2) + '\n')
        print(f'{args.out}/shards.png, {args.out}/shards.json')


if __name__ == '__main__':
    main()
