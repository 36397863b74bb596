#!/usr/bin/env python
"""Time the way from image files to training, beside other ways and beside the limit.

python tools/benchmarks/data_path.py [--images DIR] [--out work_dirs/benchmarks/data_path]

One thread on one core. Every row is the best of several rounds over the same images, the rows in
turn, so that a machine whose speed drifts is fair to all. Without --images the built-in photographs
are cut and written as JPEGs of 500x400. Leaves a JSON and a plot.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader
from torchvision.transforms import ColorJitter, RandomResizedCrop

import cmae_mm  # noqa: F401
from cmae_mm.demo.pictures import SURFACES, photograph_path
from cmae_mm.engine.errors import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/cmae/cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'
MEAN = np.float32([123.675, 116.28, 103.53])
STD = np.float32([58.395, 57.12, 57.375])
BATCH = 64


def decode_only(path: str) -> None:
    """The limit: read and decode, nothing else."""
    cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)


class ReleasedOrder:
    """The released code's operations in its order: Pillow, both views, mmcv's normalisation.

    Written from its description (docs/recipes.md), not from its code.
    """

    def __init__(self) -> None:
        self.crop = RandomResizedCrop(256, (0.2, 1.0), interpolation=Image.Resampling.BICUBIC)
        self.jitter = ColorJitter(0.4, 0.4, 0.4, 0.1)

    def __call__(self, path: str) -> list[torch.Tensor]:
        image = self.crop(Image.open(path).convert('RGB'))
        if np.random.rand() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left, top = np.random.randint(0, 32, 2).tolist()
        online = image.crop((0, 0, 224, 224))
        target = image.crop((left, top, left + 224, top + 224))
        if np.random.rand() < 0.8:
            target = self.jitter(target)
        if np.random.rand() < 0.2:
            target = target.convert('L').convert('RGB')
        if np.random.rand() < 0.5:
            target = target.filter(ImageFilter.GaussianBlur(np.random.uniform(0.1, 2.0)))
        return [
            torch.from_numpy(
                ((np.asarray(view, np.float32) - MEAN) / STD).transpose(2, 0, 1).copy()
            )
            for view in (online, target)
        ]


def stock_pipeline() -> Callable:
    """mmpretrain's own for MAE: one view, uint8, normalised on the device."""
    base = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'
    cfg = Config.fromstring(f'_base_ = {base!r}', '.py')
    transforms = Compose(cfg.train_dataloader.dataset.pipeline)
    return lambda path: transforms({'img_path': path, 'sample_idx': 0})


def own_pipeline(where: str) -> Callable:
    """This package's."""
    pipeline = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    pipeline[-1].where = where
    transforms = Compose(pipeline)
    return lambda path: transforms({'img_path': path})


def write_photographs(folder: Path, num: int = 64) -> None:
    """Cut the built-in photographs into JPEGs as large as ImageNet's."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    originals = [Image.open(path) for path in sorted(set(map(photograph_path, SURFACES.values())))]
    originals = [image for image in originals if min(image.size) >= 300]
    for number in range(num):
        image = originals[number % len(originals)].convert('RGB')
        width, height = image.size
        side = draw.integers(240, min(width, height))
        left, top = draw.integers(0, width - side + 1), draw.integers(0, height - side + 1)
        crop = image.crop((left, top, left + side, top + int(side * 0.8)))
        crop.resize((500, 400), Image.Resampling.BICUBIC).save(
            folder / f'{number:03}.jpg', quality=95
        )


def time_rows(rows: dict[str, Callable], paths: list[str], rounds: int) -> dict[str, float]:
    """Return milliseconds of processor time per image: the best round of each row."""
    best = dict.fromkeys(rows, float('inf'))
    for _ in range(rounds):
        for name, function in rows.items():
            start = time.process_time()
            for path in paths:
                function(path)
            best[name] = min(best[name], (time.process_time() - start) / len(paths) * 1000)
    return best


class Files(torch.utils.data.Dataset):
    """Image files, loaded by a function."""

    def __init__(self, load: Callable, paths: list[str]) -> None:
        self.load, self.paths = load, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return self.load(self.paths[index])


def time_loader(load: Callable, paths: list[str], workers: int, rounds: int) -> float:
    """Return milliseconds per image through a DataLoader, collation and transfer included."""
    loader = DataLoader(
        Files(load, paths),
        BATCH,
        num_workers=workers,
        collate_fn=default_collate,
        worker_init_fn=_one_thread,
        persistent_workers=True,
        multiprocessing_context='fork',
        drop_last=True,
    )
    seconds = []
    for _ in range(rounds + 1):  # the first one starts the workers
        start = time.perf_counter()
        batches = sum(1 for _ in loader)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]) / (batches * BATCH) * 1000


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def draw(figures: dict[str, float], path: Path) -> None:
    """Draw images per second, and the limit as a line."""
    figure = Figure(figsize=(8, 0.5 * len(figures) + 1), layout='constrained')
    axes = figure.subplots()
    names = list(figures)[::-1]
    axes.barh(names, [1000 / figures[name] for name in names], color='#4878a8')
    axes.axvline(1000 / figures['decoding alone'], color='#c44e52', linestyle='--')
    axes.set_xlabel('images per second and core (dashed: the limit)')
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=Path, help='folder of images')
    parser.add_argument('--num', type=int, default=192, help='how many of them')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks/data_path'))
    args = parser.parse_args()
    _one_thread(0)
    init_default_scope('mmpretrain')
    np.random.seed(0)
    with one_line_errors(), tempfile.TemporaryDirectory() as scratch:
        folder = args.images
        if folder is None:
            folder = Path(scratch, 'photographs')
            write_photographs(folder)
        listed = DATASETS.build(
            dict(type='PretrainDataset', data_root=str(folder), pipeline=[], lazy_init=True)
        )
        listed.full_init()
        paths = [listed.get_data_info(i)['img_path'] for i in range(min(args.num, len(listed)))]
        paths *= -(-2 * BATCH // len(paths))
        rows = {
            'decoding alone': decode_only,
            'this package, master images': own_pipeline('device'),
            'this package, views made in workers': own_pipeline('worker'),
            'mmpretrain, one view': stock_pipeline(),
            "the released code's order": ReleasedOrder(),
        }
        figures = time_rows(rows, paths, args.rounds)
        released, limit = figures["the released code's order"], figures['decoding alone']
        print(f'{len(set(paths))} images, one core; best of {args.rounds}')
        print(f'{"":38}{"ms/image":>10}{"images/s":>10}{"x released":>12}{"of limit":>10}')
        for name, ms in figures.items():
            print(f'{name:38}{ms:10.2f}{1000 / ms:10.0f}{released / ms:12.1f}{limit / ms:10.0%}')
        loaders = {
            name: time_loader(rows[name], paths, 1, args.rounds)
            for name in rows
            if name != 'decoding alone'
        }
        print(f'with one DataLoader worker, batch {BATCH}, collation and transfer included')
        released = loaders["the released code's order"]
        for name, ms in loaders.items():
            print(f'{name:38}{ms:10.2f}{1000 / ms:10.0f}{released / ms:12.1f}')
        args.out.mkdir(parents=True, exist_ok=True)
        draw(figures, args.out / 'data_path.png')
        (args.out / 'data_path.json').write_text(
            json.dumps({'ms_per_image': figures, 'with_one_worker': loaders}, indent=2) + '\n'
        )
        print(f'{args.out}/data_path.png, {args.out}/data_path.json')


if __name__ == '__main__':
    main()
