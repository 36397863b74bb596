#!/usr/bin/env python
"""Mean and standard deviation of each channel of a folder of images, as lines for a config.

python tools/image_statistics.py IMAGES
python tools/image_statistics.py IMAGES --color-type unchanged --num 0
"""

import argparse
import os
import random
from pathlib import Path

from tqdm import tqdm

import cmae_mm  # noqa: F401
from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.packing import list_sources
from cmae_mm.datasets.statistics import channel_statistics, find_loading
from cmae_mm.engine.errors import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', type=Path, help='folder of images, with or without sub-folders')
    parser.add_argument(
        '--annotations', type=Path, help='text file of a path and a label, or a path, per line'
    )
    parser.add_argument(
        '--color-type',
        choices=['color', 'grayscale', 'unchanged'],
        default='color',
        help="RGB (default), one channel, or the files' own channels",
    )
    parser.add_argument(
        '--num',
        type=int,
        default=2000,
        help='images to measure, drawn at random (default: 2000); 0 measures all',
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes that read')
    parser.add_argument('--seed', type=int, default=0, help='of the draw')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        paths = [
            args.images / source.path for source in list_sources(args.images, args.annotations)
        ]
        random.Random(args.seed).shuffle(paths)
        paths = paths[: args.num or None]
        loading = find_loading(paths, args.color_type)
        load = LoadImage(**loading)
        with tqdm(total=len(paths), unit='image', disable=None) as bar:
            found = channel_statistics(paths, load, args.workers, bar.update)
        mean, std = (', '.join(f'{value:.4g}' for value in row) for row in found[:2])
        fields = ', '.join(f'{name}={value!r}' for name, value in loading.items())
        print(
            f'# {found.images} images, {found.skipped} skipped\n'
            f"load_image = dict(type='LoadImage', {fields})  # first in train_pipeline\n"
            f'data_preprocessor = dict(mean=[{mean}], std=[{std}])\n'
            f'model = dict(backbone=dict(in_channels={load.channels}))'
        )


if __name__ == '__main__':
    main()
