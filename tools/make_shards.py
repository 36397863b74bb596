#!/usr/bin/env python
"""Pack a folder of images into shards: tar files and an index, which ShardDataset reads.

    python tools/make_shards.py IMAGES OUT
    python tools/make_shards.py IMAGES OUT --annotations train.txt
    python tools/make_shards.py IMAGES OUT --short-side 384 --quality 90
    python tools/make_shards.py IMAGES OUT --color-type unchanged --channels 6 --dtype uint16

The images are shuffled once, here, so that every shard is a mixture. Members of the tar files keep
their paths below IMAGES. Files that training could not read, by LoadImage with the fields given
here, are left out and listed in OUT/skipped.txt.
"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

import cmae_mm  # noqa: F401
from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.packing import SKIPPED, Shrink, list_sources, pack
from cmae_mm.engine.errors import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', type=Path, help='folder of images, with or without sub-folders')
    parser.add_argument('out', type=Path, help='new folder for the shards')
    parser.add_argument(
        '--annotations', type=Path, help='text file of a path and a label, or a path, per line'
    )
    parser.add_argument('--samples-per-shard', type=int, default=1000)
    parser.add_argument(
        '--short-side', type=int, help='shrink larger images to this short side, as JPEGs'
    )
    parser.add_argument('--quality', type=int, default=90, help='of these JPEGs (default: 90)')
    loading = parser.add_argument_group("fields of the config's LoadImage")
    loading.add_argument('--color-type', default='color', help='or grayscale, unchanged')
    loading.add_argument('--channels', type=int, help='with unchanged')
    loading.add_argument('--dtype', default='uint8', help='or uint16')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
    parser.add_argument('--seed', type=int, default=0, help='of the order')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    shrink = Shrink(args.short_side, args.quality) if args.short_side else None
    with one_line_errors():
        load = LoadImage(args.color_type, channels=args.channels, dtype=args.dtype)
        sources = list_sources(args.images, args.annotations)
        with tqdm(total=len(sources), unit='image') as bar:
            result = pack(
                sources,
                args.images,
                args.out,
                args.samples_per_shard,
                shrink,
                args.workers,
                args.seed,
                bar.update,
                load,
            )
        images = sum(map(len, result.shards))
        print(
            f'{images} images in {len(result.shards)} shards, {result.written / 1e9:.3g} GB'
            f' of {result.read / 1e9:.3g} GB; {result.shrunk} were shrunk'
        )
        if result.skipped:
            path, reason = result.skipped[0]
            print(
                f'{len(result.skipped)} left out: {args.out / SKIPPED} lists them, such as {path} '
                f'({reason})'
            )


if __name__ == '__main__':
    main()
