"""Decoding image files."""

import io
import math
import struct
import warnings

import cv2
import numpy as np
from PIL import Image

# of cv2.imdecode: to RGB by the decoder itself from OpenCV 4.11 on, otherwise swapped afterwards
COLOR = getattr(cv2, 'IMREAD_COLOR_RGB', cv2.IMREAD_COLOR)

DTYPES = ('uint8', 'uint16')  # of levels
MAX_PIXELS = 200_000_000  # some 20000 x 10000; three times that in bytes

# A crop that is decoded at a reduced scale keeps this many pixels per pixel of its result, in each
# direction: enough for 45 dB against full decoding (tests/datasets/test_decode.py). With 1.5, sharp
# photographs fall to 34 dB, since the blocks are cut off in frequency each for itself.
OVERSAMPLING = 3
_REDUCTIONS = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}

_JPEG = b'\xff\xd8'
_ORIENTATION = 0x0112  # tag
# start of frame, every kind but those of arithmetic tables (ITU-T T.81, Table B.1)
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def decode(
    content: bytes,
    flag: int = COLOR,
    max_pixels: int = MAX_PIXELS,
    dtype: str | None = 'uint8',
) -> np.ndarray:
    """Decode an image file to (H, W, C); three channels are RGB, four RGBA.

    Args:
        content: of the file.
        flag: of ``cv2.imdecode``.
        max_pixels: largest height x width.
        dtype: expected type of the levels, 'uint8' or 'uint16'; None takes any.

    Raises:
        ValueError: not an image, of another type, or more than ``max_pixels``.
    """
    check_size(image_size(content), max_pixels)
    return _to_rgb(_decode(content, flag, dtype), flag)


class EncodedImage:
    """A JPEG file that is decoded once it is known which part is needed, and how large.

    Decoding at a half, a quarter or an eighth of the size costs less than in full: the decoder
    leaves out the high frequencies of its blocks of 8x8 pixels (libjpeg's scaled decoding).

    Args:
        content: of the file.
        flag: of ``cv2.imdecode``.
        shape: (height, width) of the upright image, in pixels.
        turned: whether the decoder turns or mirrors it.
    """

    def __init__(
        self, content: bytes, flag: int, shape: tuple[int, int], turned: bool = False
    ) -> None:
        self.content, self.flag, self.shape, self.turned = content, flag, shape, turned

    def scale_for(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> int:
        """Return by how much the image may be reduced before a crop is resized: 1, 2, 4 or 8.

        Args:
            box: top, left, height and width of the crop, in pixels.
            size: (height, width) to which it will be resized.
        """
        room = min(box[2] / size[0], box[3] / size[1]) / OVERSAMPLING
        if self.turned:  # where its last pixel, if incomplete, may come first
            room = min(room, math.gcd(*self.shape, max(_REDUCTIONS)))
        return next((scale for scale in _REDUCTIONS if scale <= room), 1)

    def decode_crop(self, box: tuple[int, int, int, int], scale: int = 1) -> np.ndarray:
        """Return the pixels of a crop, uint8 (h, w, C), of the image reduced by ``scale``.

        Args:
            box: as of :meth:`scale_for`; its edges are rounded down to whole pixels of the reduced
                image.
            scale: 1, 2, 4 or 8.

        Raises:
            ValueError: it can't be decoded, or to another size than its header says.
        """
        image = _decode(self.content, self.flag | _REDUCTIONS.get(scale, 0))
        expected = tuple(-(-side // scale) for side in self.shape)
        if image.shape[:2] != expected:
            raise ValueError(f'an image of {image.shape[:2]} pixels, its header says {expected}')
        top, left, height, width = box
        rows = slice(top // scale, (top + height) // scale)
        cols = slice(left // scale, (left + width) // scale)
        return _to_rgb(image[rows, cols], self.flag)


def read_header(
    content: bytes, flag: int = COLOR, max_pixels: int = MAX_PIXELS
) -> EncodedImage | None:
    """Return a JPEG as an :class:`EncodedImage`; None for other formats.

    Args:
        content, flag, max_pixels: as of :func:`decode`.

    Raises:
        ValueError: more than ``max_pixels``.
    """
    header = _jpeg_header(content) if content[:2] == _JPEG else None
    # 'unchanged' has no reduced form and ignores the orientation
    if header is None or flag == cv2.IMREAD_UNCHANGED:
        return None
    size, orientation = header
    check_size(size, max_pixels)
    shape = size[::-1] if orientation >= 5 else size
    return EncodedImage(content, flag, shape, turned=orientation > 1)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return the (height, width) that a file's header claims, or None if it has none.

    JPEGs are parsed here, since Pillow takes ten times as long; other formats by Pillow. The
    orientation is not applied.
    """
    if content[:2] == _JPEG:
        header = _jpeg_header(content)
        return header and header[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                return image.height, image.width
    except Image.DecompressionBombError as error:
        raise ValueError(f'too large an image: {error}') from None
    except OSError:  # a format that Pillow does not know
        return None


def check_size(size: tuple[int, int] | None, max_pixels: int) -> None:
    """Require at most ``max_pixels``; None is an unknown size.

    Raises:
        ValueError: more.
    """
    if size and size[0] * size[1] > max_pixels:
        raise ValueError(
            f'an image of {size[0]}x{size[1]} pixels, expected at most {max_pixels} in all: '
            'shrink it, or raise max_pixels of LoadImage'
        )


def check_dtype(image: np.ndarray, dtype: str | None) -> None:
    """Require levels of a type, 'uint8' or 'uint16'; None requires nothing.

    Raises:
        ValueError: the image is of another type.
    """
    if dtype is not None and image.dtype != dtype:
        raise ValueError(
            f'an image of {image.dtype}, expected {8 * np.dtype(dtype).itemsize} bits per '
            'channel: convert it, or set dtype of LoadImage to uint8 or uint16'
        )


def _decode(content: bytes, flag: int, dtype: str | None = 'uint8') -> np.ndarray:
    buffer = np.frombuffer(content, np.uint8)
    # keep the file's depth: the decoder would silently reduce it to 8 bits
    image = cv2.imdecode(buffer, flag | cv2.IMREAD_ANYDEPTH) if len(buffer) else None
    if image is None:
        raise ValueError(f'not an image that can be decoded ({len(content)} bytes)')
    check_dtype(image, dtype)
    return image


def _to_rgb(image: np.ndarray, flag: int) -> np.ndarray:
    if image.ndim == 2:
        return image[:, :, None]
    if image.shape[2] == 3 and flag in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
    return image


def _jpeg_header(content: bytes) -> tuple[tuple[int, int], int] | None:
    """Return (height, width) and the orientation, 1 to 8 (EXIF 2.3, section 4.6.4 A)."""
    place, orientation = 2, None
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _FRAME_MARKERS:
            return struct.unpack_from('>HH', content, place + 5), orientation or 1
        if marker == 0xFF:  # filling
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without a length
            place += 2
        else:
            end = place + 2 + int.from_bytes(content[place + 2 : place + 4], 'big')
            is_exif = marker == 0xE1 and content[place + 4 : place + 10] == b'Exif\0\0'
            if is_exif and orientation is None:  # the decoder, too, reads the first one
                orientation = _orientation(content[place + 10 : end])
            place = end
    return None


def _orientation(exif: bytes) -> int:
    """Return the orientation of a TIFF header and its first directory; 1 if it has none."""
    endian = '<' if exif[:2] == b'II' else '>'
    try:
        (start,) = struct.unpack_from(f'{endian}I', exif, 4)
        (count,) = struct.unpack_from(f'{endian}H', exif, start)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f'{endian}HHIH', exif, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value
    except struct.error:  # cut off
        pass
    return 1
