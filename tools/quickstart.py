#!/usr/bin/env python
"""Pre-train a small CMAE on built-in images and report what it learnt.

python tools/quickstart.py [--work-dir work_dirs/quickstart] [--seed 0]
"""

import argparse
import os
from pathlib import Path

# Let waiting threads sleep: spinning, they take the cores from everything else, and a step
# takes three times as long. Read when torch is loaded.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

CONFIG = Path(__file__).resolve().parent.parent / 'configs/cmae/cmae_quickstart.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', default='work_dirs/quickstart', help='folder for everything')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--verbose', action='store_true', help='print what is otherwise in the log file alone'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    print(f'Quickstart into {args.work_dir}: loading PyTorch and OpenMMLab', flush=True)
    run(args)


def run(args: argparse.Namespace) -> None:
    # These imports take seconds, before which a person wants to see something.
    from mmengine.config import Config

    import cmae_mm  # noqa: F401
    from cmae_mm.demo.quickstart import run_quickstart
    from cmae_mm.demo.report import summarize
    from cmae_mm.engine.console import console
    from cmae_mm.engine.errors import one_line_errors

    with one_line_errors(), console(args.verbose):
        cfg = Config.fromfile(CONFIG)
        cfg.merge_from_dict({'work_dir': args.work_dir, 'randomness.seed': args.seed})
        results = run_quickstart(cfg)
        print(summarize(results['before'], results['after']))
        print(f'Report: {args.work_dir}/report.html')
        checkpoint = f'{args.work_dir}/epoch_{cfg.train_cfg.max_epochs}.pth'
        print(f'Next: python tools/downstream.py --checkpoint {checkpoint}')


if __name__ == '__main__':
    main()
