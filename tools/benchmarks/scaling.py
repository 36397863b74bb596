#!/usr/bin/env python
"""How a step grows with batch, image size, width and processes, and what to expect of many GPUs.

python tools/benchmarks/scaling.py [--link 50] [--gpu-tflops 400] [--images-per-core 500]

First measures small models in processes of one thread. Then estimates ViT-B's step on 8, 32 and
256 GPUs; its assumptions are the options, and are printed:

- compute: FLOPs of the matrix products over what a GPU reaches of them;
- gradients: a ring all-reduce of 4 bytes per trained parameter, 2 (R - 1) / R times over the
  slowest link, of which the part that fits beside the backward pass (2/3 of compute) costs nothing;
- InfoNCE: projections of all images are gathered in float32, and every rank compares its own with
  all of them;
- data: the images per second that a GPU takes, over what a core decodes.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from report import machine, write_results
from train_step import CONFIGS, Case, build, flops_per_image, kept_for_backward, seconds, step

from cmae_mm.compat import quiet_log
from cmae_mm.cpu import keep_freed_memory, use_fastest_layers
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.engine.ranks import run_ranks
from cmae_mm.models import build_model

PROJECTION = 256  # width of what InfoNCE compares
SWEEPS = {
    'batch': (8, 16, 32, 64),
    'image_size': (64, 96, 128, 192),
    'width': (96, 192, 288, 384),
}


class Size(NamedTuple):
    """What grows."""

    batch: int = 16
    image_size: int = 96
    width: int = 192


def small_case(size: Size) -> Case:
    """Build a CMAE with 4 blocks of 16x16 patches."""
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(CONFIGS / 'cmae/cmae_vit-base-p16_folder.py')
    cfg.model.backbone.arch = dict(
        embed_dims=size.width,
        num_layers=4,
        num_heads=size.width // 32,
        feedforward_channels=4 * size.width,
    )
    cfg.model.backbone.img_size = size.image_size
    for decoder in (cfg.model.neck.pixel, cfg.model.neck.feature):
        decoder.update(decoder_embed_dim=96, decoder_num_heads=3, decoder_depth=2)
    cfg.optim_wrapper.dtype = 'float32'
    torch.manual_seed(0)
    with quiet_log():
        model = revert_sync_batchnorm(build_model(cfg)).train()
        use_fastest_layers(model)  # as SafeRunner does
        if get_world_size() > 1:
            model = MMDistributedDataParallel(model)
        optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    shape = (size.batch, 3, size.image_size, size.image_size)
    views = {name: torch.randint(0, 256, shape, dtype=torch.uint8) for name in ('online', 'target')}
    return Case(model, optim_wrapper, {'inputs': views})


def time_small(rank: int, options: tuple[Size, int]) -> dict[str, float]:
    """Measure a small model's step in this process: seconds and bytes kept."""
    size, rounds = options
    torch.set_num_threads(1)
    keep_freed_memory()
    case = small_case(size)
    step(case)
    best = min(seconds(step, case) for _ in range(rounds))
    kept = 0 if get_world_size() > 1 else kept_for_backward(case)
    return {'seconds': best, 'kept': kept}


def measure_growth(rounds: int) -> dict[str, list[dict]]:
    """Vary one quantity at a time."""
    growth = {}
    for name, values in SWEEPS.items():
        growth[name] = [
            {name: value, **time_small(0, (Size()._replace(**{name: value}), rounds))}
            for value in values
        ]
        print(f'{name:>12}{"s/step":>10}{"kept":>12}')
        for row in growth[name]:
            print(f'{row[name]:12}{row["seconds"]:10.3f}{row["kept"] / 2**20:8.0f} MiB')
    growth['processes'] = []
    print(f'{"processes":>12}{"s/step":>10}{"images/s":>12}   ({Size().batch} images on each)')
    for world in (1, 2):
        slowest = max(row['seconds'] for row in run_ranks(time_small, world, (Size(), rounds)))
        row = {'processes': world, 'seconds': slowest, 'images': world * Size().batch / slowest}
        growth['processes'].append(row)
        print(f'{world:12}{slowest:10.3f}{row["images"]:12.1f}', flush=True)
    return growth


def predict(gpus: int, flops: float, parameters: int, args: argparse.Namespace) -> dict:
    """Estimate one step of ``args.batch`` images on so many GPUs; seconds, unless named."""
    local = args.batch / gpus
    rate = args.gpu_tflops * 1e12
    logits = 3 * 2 * local * args.batch * PROJECTION  # forward, and backward to both
    compute = (local * flops + logits) / rate
    around = (gpus - 1) / gpus / (args.link * 1e9)
    gradients = 2 * around * 4 * parameters
    gather = around * 4 * args.batch * PROJECTION
    exposed = max(0.0, gradients - 2 / 3 * compute)
    total = compute + exposed + gather
    return {
        'gpus': gpus,
        'images_per_gpu': local,
        'compute': compute,
        'all_reduce': gradients,
        'exposed': exposed,
        'gather': gather,
        'logits_share': logits / rate / compute,
        'step': total,
        'images_per_second': args.batch / total,
        'efficiency': compute / total,
        'cores_per_gpu': local / total / args.images_per_core,
    }


def predict_all(args: argparse.Namespace) -> list[dict]:
    """Print and return the estimate for several numbers of GPUs."""
    with quiet_log():
        model = build('CMAE, paper', 'b', 'float32', 2).model
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    flops = flops_per_image('b', 'CMAE, paper')
    rows = [predict(gpus, flops, parameters, args) for gpus in (8, 32, 256)]
    print(
        f'estimated: ViT-B, {args.batch} images per step, {flops / 1e9:.0f} GFLOP per image, '
        f'{parameters / 1e6:.0f} million trained parameters; assumed: {args.gpu_tflops:g} TFLOP/s '
        f'per GPU, links of {args.link:g} GB/s, {args.images_per_core:g} images/s per core'
    )
    print(
        f'{"GPUs":>6}{"images each":>13}{"compute":>10}{"all-reduce":>12}{"not hidden":>12}'
        f'{"gather":>10}{"images/s":>11}{"efficiency":>12}{"cores/GPU":>11}'
    )
    for row in rows:
        times = (row[name] * 1000 for name in ('compute', 'all_reduce', 'exposed', 'gather'))
        compute, reduce, exposed, gather = (f'{value:.1f} ms' for value in times)
        print(
            f'{row["gpus"]:6}{row["images_per_gpu"]:13.0f}{compute:>10}{reduce:>12}{exposed:>12}'
            f'{gather:>10}{row["images_per_second"]:11.0f}{row["efficiency"]:12.0%}'
            f'{row["cores_per_gpu"]:11.1f}'
        )
    return rows


def draw(growth: dict[str, list[dict]], path: Path) -> None:
    """Draw time and memory over what grows."""
    figure = Figure(figsize=(12, 3.5), layout='constrained')
    for axes, name in zip(figure.subplots(1, len(SWEEPS)), SWEEPS):
        values = [row[name] for row in growth[name]]
        axes.loglog(values, [row['seconds'] for row in growth[name]], 'o-', color='#4878a8')
        axes.set(xlabel=name.replace('_', ' '), ylabel='seconds per step')
        other = axes.twinx()
        other.loglog(values, [row['kept'] / 2**20 for row in growth[name]], 's--', color='#c44e52')
        other.set_ylabel('MiB kept')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--link', type=float, default=50, help='GB/s of the slowest link per GPU')
    parser.add_argument('--gpu-tflops', type=float, default=400, help='that a GPU reaches')
    parser.add_argument('--images-per-core', type=float, default=500, help='that a core decodes')
    parser.add_argument('--batch', type=int, default=4096, help='images per step on all GPUs')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks'))
    args = parser.parse_args()
    init_default_scope('mmpretrain')
    with one_line_errors():
        print(f'{machine()}; measured with one thread per process')
        time_small(0, (Size(), 1))  # threads and memory
        growth = measure_growth(args.rounds)
        estimates = predict_all(args)
        draw(growth, args.out / 'scaling.png')
        write_results(args.out, 'scaling', {'growth': growth, 'estimates': estimates}, [])


if __name__ == '__main__':
    main()
