"""Timing of loaders of images: in this process, stage by stage, and in a DataLoader's workers."""

import random
import time
from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, default_collate
from torch.utils.data import DataLoader

from cmae_mm.datasets.decode import EncodedImage


def time_rows(rows: dict[str, Callable], paths: list[str], rounds: int) -> dict[str, float]:
    """Return milliseconds of processor time per image: the best round of each row."""
    best = dict.fromkeys(rows, float('inf'))
    for number in range(rounds):
        # in another order each time: a row finds the memory as the one before left it
        for name in random.Random(number).sample(list(rows), len(rows)):
            np.random.seed(number), random.seed(number)
            start = time.process_time()
            for path in paths:
                rows[name](path)
            best[name] = min(best[name], (time.process_time() - start) / len(paths) * 1000)
    return best


class Files(torch.utils.data.Dataset):
    """Image files, loaded by a function."""

    def __init__(self, load: Callable, paths: list[str]) -> None:
        self.load, self.paths = load, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return self.load(self.paths[index])


def time_loader(load: Callable, paths: list[str], workers: int, batch: int, rounds: int) -> float:
    """Return milliseconds per image through a DataLoader, collation and transfer included."""
    loader = DataLoader(
        Files(load, paths),
        batch,
        num_workers=workers,
        collate_fn=default_collate,
        worker_init_fn=one_thread,
        persistent_workers=True,
        multiprocessing_context='fork',
        drop_last=True,
    )
    seconds = []
    for _ in range(rounds + 1):  # the first one starts the workers
        start = time.perf_counter()
        batches = sum(1 for _ in loader)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]) / (batches * batch) * 1000


def one_thread(worker: int) -> None:
    """Keep this process, the worker of that number, to one core."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def time_stages(pipeline: Compose, paths: list[str], rounds: int) -> dict[str, float]:
    """Return milliseconds per image of each transform, and of the decoding that MasterCrop does.

    Of each image the best round counts. Formats other than JPEG are decoded by LoadImage.
    """
    seconds = {}

    def timed(name: str, function: Callable) -> Callable:
        def call(*args):
            start = time.perf_counter()
            result = function(*args)
            seconds.setdefault(name, []).append(time.perf_counter() - start)
            return result

        return call

    steps = Compose([timed(type(step).__name__, step) for step in pipeline.transforms])
    decode = timed('of it, decoding', EncodedImage.decode_crop)
    with mock.patch.object(EncodedImage, 'decode_crop', decode):
        for _ in range(rounds):
            np.random.seed(0), random.seed(0)
            for path in paths:
                steps({'img_path': path})
    return {
        name: np.reshape(values, (rounds, -1)).min(axis=0).sum().item() / len(paths) * 1000
        for name, values in seconds.items()
    }
