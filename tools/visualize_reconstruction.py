#!/usr/bin/env python
"""Draw images, their masked versions and a model's reconstructions as a PNG.

python tools/visualize_reconstruction.py CONFIG CHECKPOINT IMAGES... [--out x.png]
"""

import argparse

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

import cmae_mm  # noqa: F401
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.evaluation import (
    build_pretrained,
    input_shape,
    load_image,
    save_reconstructions,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file of a CMAE')
    parser.add_argument('checkpoint', help='checkpoint file of its pre-training')
    parser.add_argument('images', nargs='+', help='image files; a column each')
    parser.add_argument('--out', default='reconstruction.png', help='PNG to write')
    parser.add_argument('--seed', type=int, default=0, help='of the masks')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        MMLogger.get_instance('visualize_reconstruction', log_level='WARNING')
        cfg = Config.fromfile(args.config)
        init_default_scope(cfg.get('default_scope', 'mmpretrain'))
        model = build_pretrained(cfg, args.checkpoint)
        channels, *size = input_shape(cfg)
        images = [load_image(path, size, channels) for path in args.images]
        set_random_seed(args.seed)
        save_reconstructions(model, torch.stack(images), args.out)
        print(f'{args.out}: rows are original, masked, reconstructed')


if __name__ == '__main__':
    main()
