"""Decoding image files."""

import io
import struct
import warnings

import cv2
import numpy as np
from PIL import Image

MAX_PIXELS = 200_000_000  # some 20000 x 10000; three times that in bytes

# start of frame, every kind but those of arithmetic tables (ITU-T T.81, Table B.1)
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def decode(
    content: bytes, flag: int = cv2.IMREAD_COLOR, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode an image file to uint8 (H, W, C); three channels are RGB.

    Args:
        content: of the file.
        flag: of ``cv2.imdecode``.
        max_pixels: largest height x width.

    Raises:
        ValueError: not an image, not 8 bits per channel, or more than ``max_pixels``.
    """
    size = image_size(content)
    if size and size[0] * size[1] > max_pixels:
        raise ValueError(
            f'an image of {size[0]}x{size[1]} pixels, expected at most {max_pixels} in all: '
            'shrink it, or raise max_pixels of LoadImage'
        )
    buffer = np.frombuffer(content, np.uint8)
    # keep the file's depth: the decoder would silently reduce it to 8 bits
    image = cv2.imdecode(buffer, flag | cv2.IMREAD_ANYDEPTH) if len(buffer) else None
    if image is None:
        raise ValueError(f'not an image that can be decoded ({len(content)} bytes)')
    if image.dtype != np.uint8:
        raise ValueError(f'an image of {image.dtype}, expected 8 bits per channel: convert it')
    if image.ndim == 2:
        return image[:, :, None]
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.shape[2] == 3 else image


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return the (height, width) that a file's header claims, or None if it has none.

    JPEGs are parsed here, since Pillow takes ten times as long; other formats by Pillow.
    """
    if content[:2] == b'\xff\xd8':
        return _jpeg_size(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                return image.height, image.width
    except Image.DecompressionBombError as error:
        raise ValueError(f'too large an image: {error}') from None
    except OSError:  # a format that Pillow does not know
        return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _FRAME_MARKERS:
            return struct.unpack_from('>HH', content, place + 5)
        if marker == 0xFF:  # filling
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without a length
            place += 2
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4], 'big')
    return None
