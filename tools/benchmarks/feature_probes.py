#!/usr/bin/env python
"""CPU time and peak memory of kNN and linear probe on synthetic features, beside the plain way.

python tools/benchmarks/feature_probes.py [--images 128000] [--width 768] [--classes 100]

The plain ways are one product of queries and whole bank for kNN, and scikit-learn for the linear
probe. Each runs in a process of its own on features mapped from a file. Time is the process's on
all cores, so that other programs do not count. Memory is its largest, which includes its imports
and what it has read of the file; 'nothing' shows the imports alone.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from cmae_mm.evaluation import fit_linear_probe, knn_predict

QUERIES = 2000
CHUNK = 1000


def knn(features, labels, queries, args):
    return knn_predict(features, labels, queries)


def plain_knn(features, labels, queries, args):
    bank = F.normalize(features, dim=1).T
    predictions = []
    for rows in F.normalize(queries, dim=1).split(1024):
        similarity, neighbours = (rows @ bank).topk(20)
        votes = torch.zeros(len(rows), args.classes)
        weights = ((similarity - similarity[:, :1]) / 0.07).exp()
        votes.scatter_add_(1, labels[neighbours], weights)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)


def linear(features, labels, queries, args):
    l2 = 1 / len(labels)  # scikit-learn's default
    return fit_linear_probe(features, labels, args.classes, l2).scores(queries).argmax(dim=1)


def linear_sweep(features, labels, queries, args):
    probe = fit_linear_probe(features, labels, args.classes)
    return probe.scores(queries).argmax(dim=1)


def scikit_learn(features, labels, queries, args):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=args.steps))
    probe.fit(features.numpy(), labels.numpy())
    print(f'{probe[-1].n_iter_[0]} steps', end=', ')
    return torch.from_numpy(probe.predict(queries.numpy()))


def nothing(features, labels, queries, args):
    return torch.zeros(len(queries), dtype=torch.long)


WAYS = dict(
    nothing=nothing,
    knn=knn,
    plain_knn=plain_knn,
    linear=linear,
    linear_sweep=linear_sweep,
    scikit_learn=scikit_learn,
)


def make_features(folder: Path, args: argparse.Namespace) -> None:
    """Write overlapping classes whose principal variances fall off as the square of their rank."""
    generator = torch.Generator().manual_seed(0)
    spectrum = 1 / torch.arange(1.0, args.width + 1)
    centres = torch.randn(args.classes, args.width, generator=generator)
    rotation = torch.linalg.qr(torch.randn(args.width, args.width, generator=generator))[0]
    count = args.images + QUERIES
    labels = torch.randint(args.classes, (count,), generator=generator)
    np.save(folder / 'labels.npy', labels.numpy())
    shape = (count, args.width)
    features = np.lib.format.open_memmap(folder / 'features.npy', 'w+', np.float32, shape)
    for start in range(0, count, CHUNK):
        of = labels[start : start + CHUNK]
        noise = torch.randn(len(of), args.width, generator=generator)
        features[start : start + CHUNK] = (
            (spectrum * (centres[of] + 8 * noise)) @ rotation
        ).numpy()


def measure(way: str, folder: Path, args: argparse.Namespace) -> None:
    features = torch.from_numpy(np.load(folder / 'features.npy', mmap_mode='r+'))
    labels = torch.from_numpy(np.load(folder / 'labels.npy'))
    queries = features[args.images :]
    start = time.process_time()
    predicted = WAYS[way](features[: args.images], labels[: args.images], queries, args)
    seconds = time.process_time() - start
    right = 100 * (predicted == labels[args.images :]).double().mean().item()
    print(f'{seconds:.1f} CPU seconds, {peak():.0f} MB, {right:.2f} % right')


def peak() -> float:
    """Return the largest memory of this process, in MB; ru_maxrss would start with its parent's."""
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+)', status)[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=128_000)
    parser.add_argument('--width', type=int, default=768)
    parser.add_argument('--classes', type=int, default=100)
    parser.add_argument('--steps', type=int, default=1000, help="at most, of scikit-learn's")
    parser.add_argument('--ways', nargs='+', choices=list(WAYS), default=list(WAYS))
    parser.add_argument('--folder', type=Path, help=argparse.SUPPRESS)  # of the calls below
    args = parser.parse_args()
    if args.folder:
        measure(args.ways[0], args.folder, args)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_features(Path(folder), args)
        for way in args.ways:
            print(f'{way:14}', end='', flush=True)
            command = [sys.executable, *sys.argv, '--ways', way, '--folder', folder]
            subprocess.run(command, check=True)


if __name__ == '__main__':
    main()
