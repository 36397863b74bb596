"""Reading lists of images."""

from pathlib import Path
from typing import NamedTuple

from mmengine.fileio import list_from_file

from .folder import IMAGE_SUFFIXES


class Source(NamedTuple):
    """An image of a list: its path below the folder of the images, and its label if it has one."""

    path: str
    label: int | None = None


def read_annotations(path: str | Path) -> list[Source]:
    """Read a text file as of mmpretrain's CustomDataset.

    Args:
        path: of the file: on each line the path of an image, and a label on all lines or on none;
            empty lines are ignored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: some lines have a label, and others have none.
    """
    lines = [line.strip() for line in list_from_file(str(path)) if line.strip()]
    fields = [line.rsplit(maxsplit=1) for line in lines]
    if all(map(_has_label, fields)):
        return [Source(name, int(label)) for name, label in fields]
    if any(map(_seems_labelled, fields)):
        bare = next(line for line, pair in zip(lines, fields) if not _has_label(pair))
        raise ValueError(
            f'{str(path)!r}: {bare!r} has no label: expected a whole number from 0 behind the path '
            'of an image, on each line or on none'
        )
    return [Source(line) for line in lines]


def _has_label(pair: list[str]) -> bool:
    return len(pair) == 2 and pair[1].isdecimal()


def _seems_labelled(pair: list[str]) -> bool:
    """Whether something stands behind an image's name: it may have spaces itself."""
    return len(pair) == 2 and _is_image(pair[0]) and not _is_image(pair[1])


def _is_image(name: str) -> bool:
    return name.lower().endswith(tuple(IMAGE_SUFFIXES))
