"""Images that can't be read: replaced, counted over all worker processes, listed in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, get_worker_info


class UnreadableError(ValueError):
    """An image that can't be read.

    Args:
        path: of the file.
        reason: for the log.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f'{path}: {reason}')
        self.path, self.reason = path, reason


class Counts(NamedTuple):
    """How many samples were asked for, and how many of these got another image than their own."""

    samples: int
    replaced: int


class SkippedImages:
    """What the worker processes of one rank could not read.

    Args:
        path: text file to which each of them adds lines of three fields, separated by tabs: the
            image, why it could not be read, and the image that was tried in its place.
        num_workers: number of worker processes; 0 for loading in the main process.
    """

    def __init__(self, path: str | Path, num_workers: int) -> None:
        self.path = Path(path)
        # a row for each process, the main one's first: so nobody needs a lock
        self.counts = torch.zeros(num_workers + 1, 2, dtype=torch.int64).share_memory_()

    def count(self) -> Counts:
        """Return the numbers up to now; workers are ahead of training."""
        return Counts(*self.counts.sum(dim=0).tolist())

    def example(self) -> str:
        """Return the last image of this rank's list and its reason, as part of a sentence."""
        if not self.path.exists():
            return ''
        image, reason, _ = self.path.read_text().splitlines()[-1].split('\t')
        return f', such as {image} ({reason})'

    def add_sample(self, replaced: bool) -> None:
        """Count a sample.

        Args:
            replaced: whether its own image could not be read.
        """
        row = self.counts[_process()]
        row[0] += 1
        row[1] += replaced

    def list_image(self, error: UnreadableError, replacement: str) -> None:
        """List an image that could not be read.

        Args:
            error: which, and why.
            replacement: path of the image that is tried in its place.
        """
        fields = (' '.join(text.split()) for text in (error.path, error.reason, replacement))
        # in one short write, which others do not tear; file names need not be valid text
        with self.path.open('a', errors='backslashreplace') as file:
            file.write('\t'.join(fields) + '\n')


def image_path(dataset: Dataset, index: int) -> str:
    """Return the path of a sample's image, or what else there is to call the sample by."""
    if not hasattr(dataset, 'get_data_info'):
        return f'sample {index:d}'
    return str(dataset.get_data_info(int(index)).get('img_path'))


def read_or_replace(
    dataset: Dataset,
    load: Callable[[int], Any],
    index: int,
    draw: Callable[[], int],
    skipped: SkippedImages | None,
    max_refetch: int,
) -> Any:
    """Load a sample, or another one if its image can't be read.

    Args:
        dataset: of mmengine, which knows the images' paths.
        load: from an index to the sample; raises :class:`UnreadableError`.
        index: of the sample.
        draw: another index.
        skipped: where to report; None reports nothing.
        max_refetch: number of unreadable images in a row that is too many.

    Raises:
        RuntimeError: ``max_refetch`` images in a row could not be read.
    """
    for attempt in range(max_refetch):
        try:
            sample = load(index)
        except UnreadableError as error:
            last, index = error, draw()
            if skipped is not None:
                skipped.list_image(error, image_path(dataset, index))
        else:
            if skipped is not None:
                skipped.add_sample(replaced=attempt > 0)
            return sample
    raise RuntimeError(
        f'{max_refetch} images in a row could not be read, the last {last}: are these image files '
        'of the kind that the pipeline loads?'
    )


def _process() -> int:
    worker = get_worker_info()
    return 0 if worker is None else worker.id + 1
