"""Finding the images of a folder."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import cv2

# Formats that only some builds of OpenCV decode.
_OPTIONAL = tuple(suffix for suffix in ('.avif', '.gif') if cv2.haveImageWriter(f'a{suffix}'))

IMAGE_SUFFIXES = (
    *('.bmp', '.dib', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.pnm'),
    *('.ppm', '.ras', '.sr', '.tif', '.tiff', '.webp'),
    *_OPTIONAL,
)


def find_images(
    folder: str | Path, suffixes: Sequence[str] = IMAGE_SUFFIXES
) -> tuple[list[str], Counter]:
    """Find the image files of a folder and all its sub-folders.

    Args:
        folder: to search; links are followed, hidden files ignored.
        suffixes: of image files, in lower case.

    Returns:
        sorted paths relative to the folder, and the number of skipped entries by kind.
    """
    images: list[str] = []
    passed_over: Counter = Counter()
    for entry in _entries(str(folder)):
        suffix = PurePath(entry.name).suffix.lower()
        is_image = entry.name.lower().endswith(tuple(suffixes))
        if entry.is_dir():
            passed_over['folders named like images'] += is_image
        elif not entry.is_file():
            passed_over['broken links'] += entry.is_symlink()
        elif is_image:
            images.append(os.path.relpath(entry.path, folder))
        else:
            passed_over[f'{suffix or "no suffix"} files'] += 1
    return sorted(images), +passed_over


def _entries(folder: str, parents: frozenset = frozenset()) -> Iterator[os.DirEntry]:
    """Walk the tree depth first; a link back to a parent folder is not followed."""
    status = os.stat(folder)
    parents = parents | {(status.st_dev, status.st_ino)}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield entry
                status = entry.stat()
                if (status.st_dev, status.st_ino) not in parents:
                    yield from _entries(entry.path, parents)
            elif not entry.name.startswith('.'):
                yield entry
