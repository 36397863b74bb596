"""Packing image files into shards."""

import io
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from .annotations import Source, read_annotations
from .folder import find_images
from .master_image import LoadImage
from .shard_index import Shard, ShardIndex

SKIPPED = 'skipped.txt'
_BLOCK = 512  # bytes, of a tar file
_GREY = {'1', 'L', 'LA'}  # Pillow's modes
_JPEG_CHANNELS = (1, 3)


class Shrink(NamedTuple):
    """How larger images are re-encoded: their new short side in pixels, and JPEG's quality."""

    short_side: int
    quality: int = 90


class Result(NamedTuple):
    """What was packed.

    Attributes:
        shards: that were written.
        skipped: (path, reason) of images that can't be read and were left out.
        read, written: bytes of the images before and after.
        shrunk: number of images that were re-encoded.
    """

    shards: list[Shard]
    skipped: list[tuple[str, str]]
    read: int
    written: int
    shrunk: int


def list_sources(folder: Path, annotations: Path | None = None) -> list[Source]:
    """List the images to pack.

    Args:
        folder: of the images.
        annotations: text file as of mmpretrain's CustomDataset: on each line a path below
            ``folder``, and a label on all lines or on none; None takes all images of the folder.

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: no image, a path that leads out of the folder, or one that is listed twice.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'no folder {str(folder)!r}: expected the folder of the images')
    if annotations is None:
        sources = [Source(path) for path in find_images(folder)[0]]
    else:
        sources = read_annotations(annotations)
    if not sources:
        raise ValueError(f'no image in {str(annotations or folder)!r}')
    for source, count in Counter(source.path for source in sources).items():
        path = PurePosixPath(source)
        if count > 1 or path.is_absolute() or '..' in path.parts:
            raise ValueError(
                f'{source!r} in {str(annotations)!r}: expected each path once, below the folder'
            )
    return sources


def pack(
    sources: Sequence[Source],
    folder: Path,
    out: Path,
    samples_per_shard: int = 1000,
    shrink: Shrink | None = None,
    workers: int = 1,
    seed: int = 0,
    progress: Callable[[int], object] = lambda images: None,
    load: LoadImage | None = None,
) -> Result:
    """Pack images into shards, in random order; the index is written when all are there.

    The same images give the same bytes, whatever the number of workers.

    Args:
        sources: what to pack, below ``folder``.
        folder: of the images.
        out: for the shards; it must be empty or not be there.
        samples_per_shard: largest number of images in a shard; all shards get about as many.
        shrink: how to re-encode larger images; None copies all files byte for byte.
        workers: number of processes.
        seed: of the order.
        progress: called with the number of images that were dealt with since its last call.
        load: how training will read the images; None takes them as 8 bits, in colour.

    Raises:
        FileExistsError: ``out`` is not empty.
        ValueError: no image could be read, fewer than one image per shard, or images to be
            shrunk that a JPEG can't hold.
    """
    load = LoadImage() if load is None else load
    if shrink is not None and (load.channels not in _JPEG_CHANNELS or load.dtype != 'uint8'):
        raise ValueError(
            f'images of {load.channels} channels of {load.dtype} can not be shrunk: JPEGs have 1 '
            'or 3 of uint8; pack them as they are'
        )
    if samples_per_shard < 1:
        raise ValueError(f'{samples_per_shard} images per shard: expected 1 or more')
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise FileExistsError(f'{str(out)!r} is not empty: choose a new folder')
    order = np.random.default_rng(seed).permutation(len(sources))
    shares = np.array_split(order, -(-len(sources) // samples_per_shard))
    names = [f'{number:06}.tar' for number in range(len(shares))]
    contents = [[sources[index] for index in share] for share in shares]
    pack_one = partial(_pack_shard, folder=folder, out=out, shrink=shrink, load=load)
    pool = ProcessPoolExecutor(workers, get_context('fork'))
    results = []
    try:
        for result, content in zip(pool.map(pack_one, names, contents), contents):
            results.append(result)
            progress(len(content))
    finally:
        pool.shutdown(cancel_futures=True)
    shards = [shard for result in results for shard in result.shards]
    skipped = [entry for result in results for entry in result.skipped]
    read, written, shrunk = (
        sum(getattr(result, field) for result in results) for field in ('read', 'written', 'shrunk')
    )
    if skipped:
        (out / SKIPPED).write_text(''.join(f'{path}\t{reason}\n' for path, reason in skipped))
    if not shards:
        raise ValueError(f'none of {len(sources)} images could be read: {out / SKIPPED} says why')
    ShardIndex(shards).write(out)
    return Result(shards, skipped, read, written, shrunk)


def _pack_shard(
    name: str,
    sources: list[Source],
    folder: Path,
    out: Path,
    shrink: Shrink | None,
    load: LoadImage,
) -> Result:
    """Write one tar file, unless none of its images can be read."""
    cv2.setNumThreads(0)
    offsets, sizes, labels, skipped = [], [], [], []
    read = shrunk = 0
    with tarfile.open(out / name, 'w', format=tarfile.GNU_FORMAT) as tar:
        for path, label in sources:
            try:
                original = (folder / path).read_bytes()
                content = prepare(original, shrink, load)
            except (OSError, ValueError, cv2.error) as error:
                skipped.append((path, ' '.join(str(error).split())))
                continue
            member = tarfile.TarInfo(path)  # its other fields are the same everywhere
            if content is not original and not path.lower().endswith(('.jpg', '.jpeg')):
                member.name += '.jpg'
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            offsets.append(tar.offset - -(-len(content) // _BLOCK) * _BLOCK)
            sizes.append(len(content))
            labels.append(label)
            read += len(original)
            shrunk += content is not original
    if not sizes:
        (out / name).unlink()
        return Result([], skipped, 0, 0, 0)
    shard = Shard(
        name,
        (out / name).stat().st_size,
        np.array(offsets),
        np.array(sizes),
        None if None in labels else np.array(labels),
    )
    return Result([shard], skipped, read, sum(sizes), shrunk)


def prepare(content: bytes, shrink: Shrink | None, load: LoadImage) -> bytes:
    """Check an image file, and shrink it if it is larger than asked for.

    A shrunk image is a JPEG of what ``load`` reads, so turned as EXIF says unless the file is to be
    'unchanged', and grey if the file was; one that is small enough stays the file that it was.

    Args:
        content: of the file.
        shrink: how; None only checks.
        load: reads it; to be shrunk, as uint8 of 1 or 3 channels.

    Raises:
        ValueError: not an image that ``load`` reads.
    """
    image = load.decode(content)  # (H, W, C)
    height, width = image.shape[:2]
    if shrink is None or min(height, width) <= shrink.short_side:
        return content
    scale = shrink.short_side / min(height, width)
    size = round(width * scale), round(height * scale)
    pixels = image[:, :, 0] if load.channels == 1 else image
    smaller = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)  # antialiased
    if _is_grey(content):
        smaller = smaller.convert('L')
    encoded = io.BytesIO()
    smaller.save(encoded, 'JPEG', quality=shrink.quality)
    return encoded.getvalue()


def _is_grey(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.mode in _GREY
    except OSError:  # a format that Pillow does not know
        return False
