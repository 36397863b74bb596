#!/usr/bin/env python
"""kNN, linear and attentive probe on the frozen features of any mmpretrain backbone.

python tools/evaluate_features.py CONFIG CHECKPOINT
python tools/evaluate_features.py CONFIG none --train DIR --test DIR
"""

import argparse
import json
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

import cmae_mm  # noqa: F401
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.evaluation import build_encoder, evaluate_features, input_shape


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file with a model.backbone')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the untrained encoder")
    parser.add_argument(
        '--train',
        help='class folders to learn from (default: feature_eval.train of the config)',
    )
    parser.add_argument(
        '--test',
        help='class folders to recognise (default: feature_eval.test of the config)',
    )
    parser.add_argument(
        '--pooling',
        choices=['avg', 'cls'],
        default='avg',
        help='mean of the patch tokens or feature map (default), or class token',
    )
    parser.add_argument(
        '--attentive',
        action='store_true',
        help='train the attentive probe, too: on all tokens, kept in a temporary file '
        '($TMPDIR) of 2 * images * tokens * width bytes',
    )
    parser.add_argument(
        '--size',
        type=int,
        help="side of the images in pixels (default: the backbone's img_size, or 224)",
    )
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--workers', type=int, default=2, help='processes that read')
    parser.add_argument('--seed', type=int, default=0, help='of the untrained encoder')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', help='JSON file for the results')
    return parser.parse_args()


def evaluate(args: argparse.Namespace) -> dict:
    MMLogger.get_instance('evaluate_features', log_level='WARNING')
    set_random_seed(args.seed)
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    folders = {**cfg.get('feature_eval', {})}
    folders.update({k: v for k in ('train', 'test') if (v := getattr(args, k))})
    if folders.keys() != {'train', 'test'}:
        raise ValueError(
            f'{args.config} has no feature_eval=dict(train=..., test=...): give '
            '--train DIR and --test DIR'
        )
    checkpoint = None if args.checkpoint == 'none' else args.checkpoint
    encoder = build_encoder(cfg, checkpoint, args.pooling).to(args.device)
    results = evaluate_features(
        encoder,
        **folders,
        shape=input_shape(cfg, args.size),
        batch_size=args.batch_size,
        num_workers=args.workers,
        attentive=args.attentive,
    )
    return dict(config=args.config, checkpoint=args.checkpoint, **results)


def main() -> None:
    args = parse_args()
    with one_line_errors():
        results = evaluate(args)
        print(
            f'{results["classes"]} classes, {results["train_images"]} training and '
            f'{results["test_images"]} test images\n'
            f'kNN           {results["knn"]:5.1f} %\n'
            f'linear probe  {results["linear"]:5.1f} %'
        )
        if args.attentive:
            print(
                f'attentive     {results["attentive"]:5.1f} %  '
                f'({results["token_bytes"] / 1e6:.0f} MB of tokens)'
            )
        if args.out:
            Path(args.out).write_text(json.dumps(results, indent=2) + '\n')


if __name__ == '__main__':
    main()
