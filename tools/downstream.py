#!/usr/bin/env python
"""Take a small checkpoint through classification, segmentation and detection.

python tools/downstream.py [--config CONFIG] [--checkpoint CHECKPOINT] [--tasks ...]
"""

import argparse
import multiprocessing
import os
from pathlib import Path

# Let waiting threads sleep: spinning, they take the cores from everything else, and a step
# takes three times as long. Read when torch is loaded.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
QUICKSTART = CONFIGS / 'cmae/cmae_quickstart.py'
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
        '--config', help="of the checkpoint's pre-training (default: the quickstart's)"
    )
    parser.add_argument(
        '--checkpoint', help="pre-trained encoder (default: the quickstart's; made if missing)"
    )
    parser.add_argument('--tasks', nargs='+', choices=METRICS, default=list(METRICS))
    parser.add_argument('--work-dir', default='work_dirs/downstream', help='folder for everything')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--verbose', action='store_true', help='print the whole log of a pre-training, too'
    )
    args = parser.parse_args()
    if args.config and not args.checkpoint:
        parser.error('--config needs the --checkpoint of its training')
    return args


def quickstart_checkpoint() -> str:
    """Return the path of the quickstart's checkpoint, which is made if it is missing."""
    from cmae_mm.demo.quickstart import run_quickstart

    cfg = Config.fromfile(QUICKSTART)
    checkpoint = f'{cfg.work_dir}/epoch_{cfg.train_cfg.max_epochs}.pth'
    if not Path(checkpoint).exists():
        print(f'No {checkpoint}: pre-training it')
        run_quickstart(cfg)
    return checkpoint


def main() -> None:
    args = parse_args()
    print(f'Downstream into {args.work_dir}: loading PyTorch and OpenMMLab', flush=True)
    run(args)


def run(args: argparse.Namespace) -> None:
    # These imports take seconds, before which a person wants to see something.
    import cmae_mm  # noqa: F401
    from cmae_mm.demo.downstream import Task, run_transfer
    from cmae_mm.demo.encoders import with_encoder
    from cmae_mm.demo.pictures import ensure_builtin_images
    from cmae_mm.demo.scenes import ensure_builtin_scenes
    from cmae_mm.engine.console import console
    from cmae_mm.engine.errors import one_line_errors

    # imported once, and not by each training
    multiprocessing.set_forkserver_preload(['cmae_mm.demo.downstream'])
    with one_line_errors(), console(args.verbose):
        checkpoint = args.checkpoint or quickstart_checkpoint()
        pretraining = Config.fromfile(args.config or QUICKSTART)
        ensure_builtin_images('data/builtin')
        ensure_builtin_scenes('data/scenes')
        tasks = []
        for name in args.tasks:
            task = Config.fromfile(CONFIGS / f'benchmarks/{name}/quickstart.py')
            cfg = with_encoder(task, pretraining)
            cfg.merge_from_dict({'randomness.seed': args.seed})
            tasks.append(Task(name.capitalize(), cfg, METRICS[name]))
        run_transfer(tasks, checkpoint, args.work_dir)
        print(f'Report: {args.work_dir}/report.html')


if __name__ == '__main__':
    main()
