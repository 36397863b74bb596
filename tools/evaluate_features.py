#!/usr/bin/env python
"""Evaluate the frozen features of any mmpretrain backbone: probes, retrieval, effective rank.

python tools/evaluate_features.py CONFIG CHECKPOINT
python tools/evaluate_features.py CONFIG none --train DIR --test DIR
tools/dist_evaluate.sh CONFIG CHECKPOINT PROCESSES --features DIR
"""

import argparse
import json
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dist import init_dist, is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

import cmae_mm  # noqa: F401
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.engine.ranks import fit_to_cpu
from cmae_mm.evaluation import build_encoder, evaluate_features, image_loading, input_shape

# of the other ranks, which may still read images
PATIENCE = 24 * 3600  # seconds


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file with a model.backbone')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the untrained encoder")
    parser.add_argument(
        '--train',
        help='class folders to learn from (default: feature_eval.train of the config, or the data '
        'set of its train_dataloader)',
    )
    parser.add_argument(
        '--test',
        help='class folders to recognise (default: feature_eval.test of the config, or the data '
        'set of its test_dataloader)',
    )
    parser.add_argument(
        '--pooling',
        choices=['avg', 'cls'],
        default='avg',
        help='mean of the patch tokens or feature map (default), or class token',
    )
    parser.add_argument(
        '--features',
        metavar='DIR',
        help='keep features in this folder, 4 bytes per number; a second call, or one after an '
        'interruption, computes only what is missing',
    )
    parser.add_argument('--k', type=int, default=20, help='neighbours that vote in kNN')
    parser.add_argument(
        '--l2',
        type=float,
        help='regularisation of the linear probe (default: chosen by held-out training images)',
    )
    parser.add_argument(
        '--attentive',
        action='store_true',
        help='train the attentive probe, too: on all tokens, kept in a temporary file '
        '($TMPDIR) of 2 * images * tokens * width bytes; in one process',
    )
    parser.add_argument(
        '--size',
        type=int,
        help="side of the images in pixels (default: the backbone's img_size, or 224)",
    )
    parser.add_argument('--batch-size', type=int, default=64, help='of each process')
    parser.add_argument('--workers', type=int, default=2, help='that read, for each process')
    parser.add_argument('--seed', type=int, default=0, help='of the untrained encoder and probes')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', help='JSON file for the results')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='fields to override, such as feature_eval.test.ann_file=PATH',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def evaluate(args: argparse.Namespace) -> dict:
    MMLogger.get_instance('evaluate_features', log_level='WARNING')
    join_ranks(args.launcher)
    set_random_seed(args.seed)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    images = {split: getattr(args, split) or source_of(cfg, split) for split in ('train', 'test')}
    if not all(images.values()):
        raise ValueError(
            f'{args.config} has no feature_eval=dict(train=..., test=...): give '
            '--train DIR and --test DIR'
        )
    checkpoint = None if args.checkpoint == 'none' else args.checkpoint
    encoder = build_encoder(cfg, checkpoint, args.pooling).to(args.device)
    results = evaluate_features(
        encoder,
        **images,
        shape=input_shape(cfg, args.size),
        batch_size=args.batch_size,
        num_workers=args.workers,
        attentive=args.attentive,
        features=args.features,
        k=args.k,
        l2=args.l2,
        seed=args.seed,
        loading=image_loading(cfg),
    )
    return dict(config=args.config, checkpoint=args.checkpoint, **results)


def join_ranks(launcher: str) -> None:
    """Connect the processes of a launcher, on GPUs if there are any."""
    if launcher != 'none' and torch.cuda.is_available():
        init_dist(launcher, timeout=PATIENCE)
    else:
        fit_to_cpu(Config(dict(launcher=launcher, env_cfg=dict(dist_cfg=dict(timeout=PATIENCE)))))


def source_of(cfg: Config, split: str) -> str | dict | None:
    """Return the folder or data set that a config names for a split, if it does."""
    if 'feature_eval' in cfg:
        return cfg.feature_eval.get(split)
    # of a config that tests a classifier, whose training images have labels
    loader = cfg.get(f'{split}_dataloader') if cfg.get('test_dataloader') else None
    return loader and loader.dataset


def report(results: dict) -> str:
    """Return the results as lines for a person."""
    seconds, images = results['seconds'], results['train_images'] + results['test_images']
    headline = {'knn': 'kNN', 'linear': 'linear probe', 'attentive': 'attentive'}
    metric = 'mAP' if 'mAP' in results['knn_metrics'] else 'top-1'
    notes = {
        'knn': metric,
        'linear': f'{metric}, L2 {results["l2"]:g}',
        'attentive': f'{metric}, {results.get("token_bytes", 0) / 1e6:.0f} MB of tokens',
    }
    lines = [
        f'{results["classes"]} classes, {results["train_images"]} training and '
        f'{results["test_images"]} test images'
    ]
    lines += [
        f'{headline[key]:14}{results[key]:5.1f} %  ({notes[key]})'
        for key in headline
        if key in results
    ]
    further = {'mean_recall': 'mean recall', 'top5': 'top-5', 'auroc': 'AUROC'}
    lines += [
        f'{name:14}{results["knn_metrics"][key]:5.1f} % kNN, '
        f'{results["linear_metrics"][key]:5.1f} % linear probe'
        for key, name in further.items()
        if key in results['knn_metrics']
    ]
    found = ', '.join(f'{name} {value:.1f} %' for name, value in results['retrieval'].items())
    lines += [
        f'{"retrieval":14}{found or "no class has two test images"}',
        f'{"effective rank":14} {results["effective_rank"]:.1f} of {results["width"]}',
        f'{"seconds":14}{", ".join(f"{stage} {time:.1f}" for stage, time in seconds.items())}; '
        f'{images / max(seconds["features"], 0.01):.0f} images/s',
    ]
    return '\n'.join(lines)


def main() -> None:
    args = parse_args()
    with one_line_errors():
        if args.out:
            Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        results = evaluate(args)
        if is_main_process():
            print(report(results))
            if args.out:
                Path(args.out).write_text(json.dumps(results, indent=2) + '\n')


if __name__ == '__main__':
    main()
