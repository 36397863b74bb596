"""Decoding TIFF files of any number of channels, by tifffile."""

import io

import numpy as np

from .decode import MAX_PIXELS, check_size

# little and big endian, classic and BigTIFF
_MAGIC = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')


def is_tiff(content: bytes) -> bool:
    """Whether a file is a TIFF."""
    return content[:4] in _MAGIC


def decode_tiff(
    content: bytes, channels: int | None = None, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode the image of a TIFF file, whose channels are samples, planes or pages.

    OpenCV takes up to four channels, two of them wrongly, and one page.

    Args:
        content: of the file.
        channels: expected number; None takes any.
        max_pixels: largest height x width.

    Returns:
        (H, W, C), of the file's type.

    Raises:
        ImportError: tifffile is not installed.
        ValueError: not such an image, or more than ``max_pixels``.
    """
    try:
        import tifffile  # optional
    except ImportError:
        raise ImportError(
            "TIFF files with all their channels need tifffile: pip install 'cmae_mm[tiff]'"
        ) from None
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series = file.series[0]
            axes, shape = series.axes, series.shape
            _check_layout(axes, shape, channels, series.keyframe.photometric)
            check_size((shape[axes.index('Y')], shape[axes.index('X')]), max_pixels)
            image = series.asarray()
    except ValueError:
        raise
    except Exception as error:  # what a damaged file makes of a parser's assumptions
        raise ValueError(f'not a TIFF that can be decoded: {error!r}') from None
    image = np.moveaxis(image, (axes.index('Y'), axes.index('X')), (0, 1))
    return image.reshape(*image.shape[:2], -1)


def _check_layout(
    axes: str, shape: tuple[int, ...], channels: int | None, photometric: int
) -> None:
    if photometric == 3:  # TIFF 6.0: indices into a table of colours
        raise ValueError('a TIFF with a palette, expected levels: convert it')
    others = [length for axis, length in zip(axes, shape) if axis not in 'YX' and length > 1]
    if len(others) > 1 or not {'Y', 'X'} <= set(axes):
        raise ValueError(
            f'a TIFF of axes {axes}, {"x".join(map(str, shape))}: expected height (Y), width (X) '
            'and one axis of channels'
        )
    check_channels(others[0] if others else 1, channels)


def check_channels(found: int, expected: int | None) -> None:
    """Require a number of channels; None requires nothing.

    Raises:
        ValueError: found is another than expected.
    """
    if expected is not None and found != expected:
        raise ValueError(
            f'an image of {found} channels, expected {expected}: convert it, or change LoadImage, '
            "the backbone's in_channels and the data preprocessor's mean and std"
        )
