#!/usr/bin/env python
"""Take a small checkpoint through classification, segmentation and detection.

python tools/downstream.py [--checkpoint work_dirs/quickstart/epoch_8.pth] [--tasks ...]
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
from cmae_mm.demo.downstream import Task, run_transfer
from cmae_mm.demo.pictures import ensure_builtin_images
from cmae_mm.demo.quickstart import run_quickstart
from cmae_mm.demo.scenes import ensure_builtin_scenes
from cmae_mm.engine.errors import one_line_errors

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
QUICKSTART = 'work_dirs/quickstart/epoch_8.pth'
METRICS = {
    'classification': {'accuracy/top1': 'accuracy'},
    'segmentation': {'mIoU': 'mIoU', 'aAcc': 'pixel accuracy'},
    'detection': {
        'coco/bbox_mAP': 'box AP',
        'coco/bbox_mAP_50': 'box AP50',
        'coco/segm_mAP': 'mask AP',
        'coco/segm_mAP_50': 'mask AP50',
    },
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--checkpoint', default=QUICKSTART, help="of cmae_quickstart.py; made if it's the default"
    )
    parser.add_argument('--tasks', nargs='+', choices=METRICS, default=list(METRICS))
    parser.add_argument('--work-dir', default='work_dirs/downstream', help='folder for everything')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_line_errors():
        if args.checkpoint == QUICKSTART and not Path(QUICKSTART).exists():
            print(f'No {QUICKSTART}: pre-training it')
            run_quickstart(Config.fromfile(CONFIGS / 'cmae/cmae_quickstart.py'))
        ensure_builtin_images('data/builtin')
        ensure_builtin_scenes('data/scenes')
        tasks = []
        for name in args.tasks:
            cfg = Config.fromfile(CONFIGS / f'benchmarks/{name}/quickstart.py')
            cfg.merge_from_dict({'randomness.seed': args.seed})
            tasks.append(Task(name.capitalize(), cfg, METRICS[name]))
        run_transfer(tasks, args.checkpoint, args.work_dir)
        print(f'Report: {args.work_dir}/report.html')


if __name__ == '__main__':
    main()
