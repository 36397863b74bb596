"""A corpus of damaged image files, and what becomes of each when it is read."""

import io
import multiprocessing
import os
import random
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from cmae_mm.datasets import LoadImage


def flip_bits(content: bytes, draw: random.Random) -> bytes:
    """Flip a bit in each of up to 20 places."""
    damaged = bytearray(content)
    for _ in range(draw.randint(1, 20)):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def flip_header_bits(content: bytes, draw: random.Random) -> bytes:
    """Flip bits in the first 200 bytes alone."""
    return flip_bits(content[:200], draw) + content[200:]


def truncate(content: bytes, draw: random.Random) -> bytes:
    """Keep the beginning."""
    return content[: draw.randrange(len(content))]


def zero_a_block(content: bytes, draw: random.Random) -> bytes:
    """Zero 512 bytes or more, as a bad sector or a write that never came."""
    start = draw.randrange(len(content))
    length = min(512 * draw.randint(1, 32), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def cut_out(content: bytes, draw: random.Random) -> bytes:
    """Leave a part out."""
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.randrange(1, 4096) :]


def swap_headers(content: bytes, draw: random.Random) -> bytes:
    """Begin as a file of another format does."""
    header = draw.choice([b'\x89PNG\r\n\x1a\n', b'RIFF\xff\xff\x00\x00WEBPVP8 ', b'BM', b'II*\x00'])
    return header + content[len(header) :]


def claim_a_size(content: bytes, draw: random.Random) -> bytes:
    """Claim another size in the JPEG's header, up to 65535 x 65535."""
    for marker in (b'\xff\xc0', b'\xff\xc2'):
        place = content.find(marker)
        if place > 0:
            size = struct.pack('>HH', *(draw.choice([0, 1, 9999, 30000, 65535]) for _ in 'hw'))
            return content[: place + 5] + size + content[place + 9 :]
    return content


def garbage(content: bytes, draw: random.Random) -> bytes:
    """Random bytes behind the first ones of a JPEG."""
    return content[:4] + draw.randbytes(len(content))


def text(content: bytes, draw: random.Random) -> bytes:
    """A page that a server sent instead of the image."""
    return b'<html><body>404 Not Found</body></html>' * draw.randint(0, 9)


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits, flip_header_bits, truncate, zero_a_block, cut_out, swap_headers, claim_a_size,
    garbage, text,
)  # fmt: skip

# Whole files that are unusual: to be read as another decoder reads them, or refused.
UNUSUAL: dict[str, Callable[[Image.Image], bytes]] = {
    'grey.jpg': lambda image: _encode(image.convert('L'), 'jpeg'),
    'cmyk.jpg': lambda image: _encode(image.convert('CMYK'), 'jpeg', quality=95),
    'progressive.jpg': lambda image: _encode(image, 'jpeg', progressive=True),
    'rotated.jpg': lambda image: _encode(image, 'jpeg', exif=_rotated()),
    'palette.png': lambda image: _encode(image.convert('P'), 'png'),
    'alpha.png': lambda image: _encode(_with_alpha(image), 'png'),
    'bilevel.png': lambda image: _encode(image.convert('1'), 'png'),
    'wrong_name.png': lambda image: _encode(image, 'jpeg'),
    'wrong_name.jpg': lambda image: _encode(image, 'png'),
    'lossless.webp': lambda image: _encode(image, 'webp', lossless=True),
    'pages.tiff': lambda image: _encode(image, 'tiff', save_all=True, append_images=[image]),
}
REFUSED: dict[str, Callable[[Image.Image], bytes]] = {
    'deep.png': lambda image: _encode(
        Image.fromarray(np.asarray(image.convert('L'), np.uint16) * 257), 'png'
    ),
    'deep.tiff': lambda image: _encode(Image.fromarray(np.asarray(image.convert('F'))), 'tiff'),
    'empty.jpg': lambda image: b'',
    'bomb.jpg': lambda image: claim_a_size(_encode(image, 'jpeg'), _Largest()),
}


def _rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees
    return exif


class _Largest(random.Random):
    def choice(self, several):
        return several[-1]


def _encode(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(128)
    return image


def write_corpus(sources: list[Path], folder: Path, num: int, seed: int = 0) -> list[Path]:
    """Write damaged versions of images.

    Args:
        sources: JPEG files.
        folder: to write to.
        num: files, each with one of :data:`DAMAGES`, in turn.
        seed: of the damages.

    Returns:
        the files.
    """
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    files = []
    for number in range(num):
        damage = DAMAGES[number % len(DAMAGES)]
        content = sources[number % len(sources)].read_bytes()
        files.append(folder / f'{number:04}_{damage.__name__}.jpg')
        files[-1].write_bytes(damage(content, draw))
    return files


class Reading(NamedTuple):
    """What became of a file: 'read', 'skipped' or 'crashed', and whether another decoder agrees."""

    kind: str
    result: str
    as_pillow: bool | None


def read_all(files: list[Path]) -> list[Reading]:
    """Read files as training does, in a process whose death counts as a crash."""
    readings: list[Reading] = []
    while len(readings) < len(files):
        remaining = files[len(readings) :]
        context = multiprocessing.get_context('forkserver')
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_read, args=(remaining, there))
        process.start()
        there.close()
        try:
            for path in remaining:
                readings.append(Reading(_kind(path), *here.recv()))
        except EOFError:
            readings.append(Reading(_kind(path), 'crashed', None))
        process.join()
    return readings


def _kind(path: Path) -> str:
    return path.stem.split('_', 1)[-1]


def _read(files: list[Path], results) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)  # what decoders and the loader say of each file
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    load = LoadImage()
    for path in files:
        loaded = load({'img_path': str(path)})
        if loaded is None:
            results.send(('skipped', None))
        else:
            results.send(('read', _as_pillow(path, loaded['img'])))


def _as_pillow(path: Path, image: np.ndarray) -> bool | None:
    """Whether Pillow decodes the same, but for rounding; None if it can't."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as other:
                expected = np.asarray(ImageOps.exif_transpose(other).convert('RGB'), np.int16)
    except Exception:
        return None
    return image.shape == expected.shape and bool(np.abs(image - expected).mean() < 2)


def table(readings: list[Reading]) -> Iterator[str]:
    """Return lines: kind, read (and as another decoder reads it), skipped, crashed."""
    yield f'  {"damage":20} {"read":>5} {"as Pillow":>10} {"skipped":>8} {"crashed":>8}'
    for kind in dict.fromkeys(reading.kind for reading in readings):
        of_kind = [reading for reading in readings if reading.kind == kind]
        counts = Counter(reading.result for reading in of_kind)
        same = sum(bool(reading.as_pillow) for reading in of_kind)
        yield (
            f'  {kind:20} {counts["read"]:5} {same:10} {counts["skipped"]:8} {counts["crashed"]:8}'
        )
