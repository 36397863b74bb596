"""Counting the images that can't be read, and ending the run if they are too many."""

import logging
import math
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from cmae_mm.datasets import SkippedImages

from .agreement import Agreement


@HOOKS.register_module()
class SkippedImagesHook(Hook):
    """Count the images that no worker could read, and end the run if they are too many.

    ``skipped_images.rank*.txt`` in the work folder lists each of them with the reason and the
    image taken in its place; ``train/skipped_images`` in the log counts the samples of all ranks
    that got another image.

    Args:
        max_share: of the samples of each epoch, in [0, 1]. The run ends as soon as more of them
            got another image.

    Raises:
        ValueError: a share outside [0, 1].
    """

    # before LoggerHook (BELOW_NORMAL)
    priority = 55

    def __init__(self, max_share: float = 0.01) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f'max_share={max_share} is not in [0, 1]')
        self.max_share = max_share

    def before_train(self, runner: Runner) -> None:
        self.skipped = None
        loader = runner.train_dataloader
        if hasattr(loader.dataset, 'watch'):
            path = Path(runner.work_dir, f'skipped_images.rank{get_rank()}.txt')
            self.skipped = SkippedImages(path, loader.num_workers)
            loader.dataset.watch(self.skipped)
            self.agreement = Agreement('SUM')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        if self.skipped is None:
            return
        samples, replaced = self.agreement.exchange(self.skipped.count())
        if not replaced:
            return
        runner.message_hub.update_scalar('train/skipped_images', replaced)
        length = len(runner.train_dataloader.dataset)
        epochs = math.ceil(samples / length)  # each has all bad images, some at its beginning
        if replaced > self.max_share * length * epochs:
            runner.request_stop(
                ValueError(
                    f'the images of {replaced} of {samples} samples could not be read: more than '
                    f'{self.max_share:.2%} of the {length} of an epoch{self.skipped.example()}. '
                    f'{self.skipped.path.parent}/skipped_images.rank*.txt list them: repair or '
                    'remove them, or allow more by max_share of SkippedImagesHook; then --resume'
                )
            )

    def after_train(self, runner: Runner) -> None:
        if self.skipped is not None and self.skipped.count().replaced:
            print_log(
                f'{self.skipped.count().replaced} samples of rank {get_rank()} got another image '
                f'than their own, which could not be read: {self.skipped.path}',
                'current',
                logging.WARNING,
            )
