#!/usr/bin/env python
"""Pre-train (or fine-tune) a model described by a config.

python tools/train.py CONFIG [--work-dir DIR] [--cfg-options key=value ...]
"""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from this checkpoint, or from the newest in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16, on a CPU bfloat16 if it has instructions for it',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate from the config's batch to the actual one",
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='execute the code in checkpoint files, as mmengine does',
    )
    parser.add_argument(
        '--allow-batch-change',
        action='store_true',
        help='resume with another number of images per step than the checkpoint was made with',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='print what is otherwise in the log file alone'
    )
    parser.add_argument('--no-validate', action='store_true', help='do not validate')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='fields to override, such as train_dataloader.batch_size=64',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Apply the command line to a config."""
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir', f'./work_dirs/{Path(args.config).stem}')
    if args.amp:
        cfg.optim_wrapper.type = 'mmpretrain.PrecisionOptimWrapper'
        cfg.optim_wrapper.dtype = 'float16'
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    if args.trust_checkpoint:
        cfg.trust_checkpoints = True
    if args.allow_batch_change:
        cfg.allow_batch_change = True
    cfg.merge_from_dict(args.cfg_options)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return cfg


def main() -> None:
    args = parse_args()
    rank = os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0'))
    if rank == '0':
        print(f'Training {args.config}: loading PyTorch and OpenMMLab', flush=True)
    train(args)


def train(args: argparse.Namespace) -> None:
    # These imports take seconds, before which a person wants to see something.
    from mmengine.registry import RUNNERS

    import cmae_mm  # noqa: F401
    from cmae_mm.engine.config import fit_loaders, warn_of_cut_schedule
    from cmae_mm.engine.console import console
    from cmae_mm.engine.errors import one_line_errors, require_batches, require_writable
    from cmae_mm.engine.ranks import fit_to_cpu
    from cmae_mm.engine.start import choose_start, require_start
    from cmae_mm.engine.summary_hook import say_where_results_are

    with one_line_errors(), console(args.verbose):
        cfg = merge_args(Config.fromfile(args.config), args)
        require_writable(cfg.work_dir)
        fit_to_cpu(cfg)
        fit_loaders(cfg)
        cfg.setdefault('runner_type', 'SafeRunner')
        choose_start(cfg, args.resume)
        runner = RUNNERS.build(cfg)
        warn_of_cut_schedule(cfg)
        if not cfg.get('trust_checkpoints'):
            require_start(runner)
        require_batches(runner)
        runner.train()
        say_where_results_are(runner)


if __name__ == '__main__':
    main()
