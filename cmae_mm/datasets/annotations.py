"""Reading lists of images."""

from pathlib import Path
from typing import NamedTuple

from mmengine.fileio import list_from_file


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
    """
    lines = [line.strip() for line in list_from_file(str(path)) if line.strip()]
    fields = [line.rsplit(maxsplit=1) for line in lines]
    if all(len(pair) == 2 and pair[1].isdecimal() for pair in fields):
        return [Source(name, int(label)) for name, label in fields]
    return [Source(line) for line in lines]
