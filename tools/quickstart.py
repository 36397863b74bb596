#!/usr/bin/env python
"""Pre-train a small CMAE on built-in images and report what it learnt.

python tools/quickstart.py [--work-dir work_dirs/quickstart] [--seed 0]
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
from cmae_mm.demo.quickstart import run_quickstart
from cmae_mm.demo.report import summarize
from cmae_mm.engine.errors import one_line_errors

CONFIG = Path(__file__).resolve().parent.parent / 'configs/cmae/cmae_quickstart.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', default='work_dirs/quickstart', help='folder for everything')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        cfg = Config.fromfile(CONFIG)
        cfg.merge_from_dict({'work_dir': args.work_dir, 'randomness.seed': args.seed})
        results = run_quickstart(cfg)
        print(summarize(results['before'], results['after']))
        print(f'Report: {args.work_dir}/report.html')


if __name__ == '__main__':
    main()
