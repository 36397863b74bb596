#!/usr/bin/env python
"""Time the way from image files to training, beside other ways and beside the limit.

python tools/benchmarks/data_path.py [--images DIR] [--out work_dirs/benchmarks]

One thread per process. Every row is the best of several rounds over the same images, the rows in
turn, so that a machine whose speed drifts is fair to all. Without --images the built-in photographs
are cut and written as JPEGs of 500x400. Leaves a JSON and a plot.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS, MODELS, TRANSFORMS
from PIL import Image
from report import Ratio, write_results
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

import cmae_mm  # noqa: F401
from cmae_mm.datasets.decode import EncodedImage
from cmae_mm.demo.pictures import SURFACES, photograph_path
from cmae_mm.engine.errors import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/cmae/cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k.py'
LIMIT = 'decoding alone'
RELEASED = "the released code's order"
MASTER = 'this package, master images'
WORKER = 'this package, views made in workers'
# at least: times the released code's speed, and share of the limit
TARGETS = {MASTER: (9, 0.8), WORKER: (6, None)}
LOADER_TARGETS = {MASTER: 8, WORKER: 6}
# NVIDIA H100 SXM, data sheet: bytes/s of its memory, dense bfloat16 FLOP/s; and the share of these
# that a training step is taken to reach
GPU_BANDWIDTH, GPU_FLOPS, GPU_UTILISATION = 3.35e12, 989e12, 0.45
DEVICE_TARGET = 0.05  # of a training step


def decode_only(path: str) -> None:
    """The limit: read and decode, nothing else."""
    cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)


class ReleasedOrder:
    """The released code's operations in its order, by the libraries that it calls.

    Pillow decodes, crops and resizes; both views are cut from the flipped image, copied, and
    normalised by mmcv in float32; the target's jitter goes through Pillow, an operation at a time.
    Sources: github.com/ZhichengHuang/CMAE at e786a52, train_pipeline of
    configs/pre-training/cmae/cmae_vit-base-p16_32xb128-coslr-300e_in1k.py (operations, and
    default_collate), CMAEDataset.__getitem__ in cmae/datasets/cmae_dataset.py (order),
    LoadImageNetFromFile and ShiftPixel in cmae/datasets/pipelines/{loading,processing}.py. Its
    other transforms are copies of mmpretrain's and mmcv's, which stand in here.
    """

    def __init__(self) -> None:
        self.master = _build(
            dict(
                type='RandomResizedCrop',
                scale=256,
                crop_ratio_range=(0.2, 1.0),
                interpolation='bicubic',
                backend='pillow',
            ),
            dict(type='RandomFlip', prob=0.5),
        )
        jitter = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        self.augment = _build(
            dict(type='RandomApply', transforms=[jitter], prob=0.8),
            dict(
                type='RandomGrayscale',
                prob=0.2,
                keep_channels=True,
                channel_weights=(0.114, 0.587, 0.2989),
            ),
            dict(type='GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
        )
        self.normalize = _build(
            dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
        )

    def __call__(self, path: str) -> dict[str, torch.Tensor]:
        image = mmcv.imread(path, channel_order='rgb', backend='pillow').astype(np.uint8)
        image = self.master({'img': image})['img']
        online, target = self._shift(image, 0), self._shift(image.copy(), 31)
        target = self.augment({'img': target})['img']
        return {'img': self._finish(online), 'img_t': self._finish(target)}

    @staticmethod
    def _shift(image: np.ndarray, largest: int) -> np.ndarray:
        top, left = random.randint(0, largest), random.randint(0, largest)
        return np.array(image)[top : top + 224, left : left + 224].astype(np.uint8)

    def _finish(self, view: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.normalize({'img': view})['img'].transpose(2, 0, 1).copy())


def _build(*transforms: dict) -> Compose:
    return Compose([TRANSFORMS.build(transform) for transform in transforms])


def stock_pipeline() -> Callable:
    """mmpretrain's own for MAE: one view, uint8, normalised on the device."""
    base = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'
    cfg = Config.fromstring(f'_base_ = {base!r}', '.py')
    transforms = Compose(cfg.train_dataloader.dataset.pipeline)
    return lambda path: transforms({'img_path': path, 'sample_idx': 0})


def own_dataset(folder: Path, where: str):
    """This package's dataset, its views made on the device or in workers."""
    pipeline = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    pipeline[-1].where = where
    return DATASETS.build(
        dict(type='PretrainDataset', data_root=str(folder), pipeline=pipeline, lazy_init=True)
    )


def stages(pipeline: Compose) -> dict[str, Callable]:
    """Return ever longer parts of the pipeline, whose times differ by one stage."""
    load, crop, *rest = pipeline.transforms

    def decode(path: str) -> None:
        image = load({'img_path': path})['img']
        box = crop.rand_crop_params(image)
        if isinstance(image, EncodedImage):
            image.decode_crop(box, image.scale_for(box, crop.scale))

    def part(number: int) -> Callable:
        transforms = Compose(pipeline.transforms[:number])
        return lambda path: transforms({'img_path': path})

    return {
        'read': fileio.get,
        'parse the header': part(1),
        'draw the box, decode': decode,
        'crop and resize': part(2),
        **{type(step).__name__: part(3 + number) for number, step in enumerate(rest)},
    }


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
    for number in range(rounds):
        for name, function in rows.items():
            np.random.seed(number), random.seed(number)
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


def time_loader(load: Callable, paths: list[str], workers: int, batch: int, rounds: int) -> float:
    """Return milliseconds per image through a DataLoader, collation and transfer included."""
    loader = DataLoader(
        Files(load, paths),
        batch,
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
    return min(seconds[1:]) / (batches * batch) * 1000


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


class BytesMoved(TorchDispatchMode):
    """Count the bytes that operations read and write, as if none were fused or cached."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.index.Tensor:  # reads what it takes, not the whole
            self.total += 2 * result.nbytes
        elif func is torch.ops.aten.index_put_.default:
            self.total += 2 * args[2].nbytes
        elif not func.is_view:
            leaves = tree_flatten((args, kwargs, result))[0]
            self.total += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))
        return result


def estimate_device_views(load: Callable, paths: list[str]) -> dict[str, float]:
    """Estimate what making views costs a GPU, per image, from bytes moved and FLOPs counted."""
    cfg = Config.fromfile(CONFIG)
    preprocessor, model = MODELS.build(cfg.data_preprocessor), MODELS.build(cfg.model)
    np.random.seed(0)
    inputs = default_collate([load(path) for path in paths])
    with BytesMoved() as moved:
        views = preprocessor(inputs)['inputs']
    torch.backends.cuda.enable_flash_sdp(False)  # fused attention is not counted on CPUs
    with FlopCounterMode(display=False) as flops:
        losses = model.loss([view[:2] for view in views])
        sum(value for name, value in losses.items() if 'loss' in name).backward()
    views_ms = moved.total / len(paths) / GPU_BANDWIDTH * 1000
    step_ms = flops.get_total_flops() / 2 / GPU_FLOPS / GPU_UTILISATION * 1000
    return {
        'bytes_moved': moved.total / len(paths),
        'step_flop': flops.get_total_flops() / 2,
        'views_ms': views_ms,
        'step_ms': step_ms,
        'share': views_ms / step_ms,
    }


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
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks'))
    args = parser.parse_args()
    _one_thread(0)
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

    parts = {**stages(device.pipeline), 'PackViews, views made here': rows[WORKER]}
    sums = time_rows(parts, paths, args.rounds)
    *before, packing, packing_views = sums.values()
    steps = np.diff([0.0, *before, packing]).tolist()
    per_stage = dict(zip(sums, [*steps, packing_views - before[-1]], strict=True))
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

    estimate = estimate_device_views(rows[MASTER], paths)
    print(
        'views on a GPU, estimated: {bytes_moved:.3g} bytes moved per image at {bandwidth:.3g}/s '
        'are {views_ms:.4f} ms, {share:.1%} (target <= {target:.0%}) of a step of {step_flop:.3g} '
        'FLOP at {utilisation:.0%} of {flops:.3g}/s'.format(
            **estimate,
            bandwidth=GPU_BANDWIDTH,
            target=DEVICE_TARGET,
            utilisation=GPU_UTILISATION,
            flops=GPU_FLOPS,
        )
    )
    args.out.mkdir(parents=True, exist_ok=True)
    draw(per_core, loaders, args.out / 'data_path.png')
    figures = {
        'ms_per_image': per_core,
        'ms_per_stage': per_stage,
        'ms_with_workers': loaders,
        'views_on_gpu_estimated': estimate,
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
