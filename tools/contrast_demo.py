#!/usr/bin/env python
"""Provoke collapse, false positives and a small batch, and draw what the diagnosis shows.

python tools/contrast_demo.py [--work-dir work_dirs/contrast] [--seed 0] [--troubles ...]
"""

# ruff: noqa: E402
import argparse
import os
from pathlib import Path

# Let waiting threads sleep: spinning, they take the cores from everything else, and a step
# takes three times as long. Read when torch is loaded.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from mmengine.config import Config

import cmae_mm  # noqa: F401
from cmae_mm.demo.contrast import TROUBLES, run_troubles
from cmae_mm.engine.errors import one_line_errors

CONFIG = Path(__file__).resolve().parent.parent / 'configs/cmae/cmae_quickstart.py'
# The runs of docs/contrast.md: fewer epochs, and images of half the contrast.
SHORT = {
    'train_cfg.max_epochs': 8,
    'param_scheduler.1.T_max': 7,
    'param_scheduler.1.end': 8,
    'default_hooks.checkpoint.interval': 8,
    'data_preprocessor.std': [50.0],
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', default='work_dirs/contrast', help='folder for everything')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--troubles', nargs='+', choices=TROUBLES, default=list(TROUBLES))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        cfg = Config.fromfile(CONFIG)
        cfg.merge_from_dict({'work_dir': args.work_dir, 'randomness.seed': args.seed, **SHORT})
        results = run_troubles(cfg, args.troubles)
        print('means over the last epoch'.ljust(26), *(f'{name:>16}' for name in results))
        for key in next(iter(results.values())):
            print(key.ljust(26), *(f'{result[key]:16.3g}' for result in results.values()))
        print(f'Pictures: {args.work_dir}/contrast_*.png')


if __name__ == '__main__':
    main()
