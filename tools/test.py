#!/usr/bin/env python
"""Test a model described by a config, such as a fine-tuned classifier.

python tools/test.py CONFIG CHECKPOINT [--cfg-options key=value ...]
"""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder for logs and metrics')
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='execute the code in the checkpoint file, as mmengine does',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='print what is otherwise in the log file alone'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='fields to override, such as test_dataloader.batch_size=64',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()
    rank = os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0'))
    if rank == '0':
        print(f'Testing {args.checkpoint}: loading PyTorch and OpenMMLab', flush=True)
    test(args)


def test(args: argparse.Namespace) -> None:
    # These imports take seconds, before which a person wants to see something.
    from mmengine.registry import RUNNERS

    import cmae_mm  # noqa: F401
    from cmae_mm.checkpoints import require_fit
    from cmae_mm.engine.config import fit_loaders
    from cmae_mm.engine.console import console
    from cmae_mm.engine.errors import one_line_errors, require_writable
    from cmae_mm.engine.ranks import fit_to_cpu

    with one_line_errors(), console(args.verbose):
        cfg = Config.fromfile(args.config)
        if not cfg.get('test_dataloader'):
            raise ValueError(
                f'{args.config} has no test_dataloader: tools/evaluate_features.py '
                'evaluates a pre-trained encoder, tools/test.py a fine-tuned model'
            )
        cfg.launcher = args.launcher
        cfg.work_dir = args.work_dir or f'./work_dirs/{Path(args.config).stem}'
        cfg.load_from = args.checkpoint
        if args.trust_checkpoint:
            cfg.trust_checkpoints = True
        cfg.merge_from_dict(args.cfg_options)
        require_writable(cfg.work_dir)
        fit_to_cpu(cfg)
        fit_loaders(cfg)
        cfg.setdefault('runner_type', 'SafeRunner')
        runner = RUNNERS.build(cfg)
        if not cfg.get('trust_checkpoints'):
            require_fit(args.checkpoint, runner.model, whole=True)
        runner.test()


if __name__ == '__main__':
    main()
