import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from cmae_mm.datasets.decode import decode, image_size

SHAPE = (30, 20, 3)


def encoded(suffix, **options):
    content = io.BytesIO()
    Image.fromarray(np.full(SHAPE, 99, np.uint8)).save(content, suffix, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    'suffix, options',
    [
        ('jpeg', {}),
        ('jpeg', dict(progressive=True)),
        ('jpeg', dict(exif=b'Exif\x00\x00' + bytes(3000), comment=b'\xff\xc0 a marker in a text')),
        ('png', {}),
        ('webp', {}),
        ('tiff', {}),
        ('bmp', {}),
    ],
)
def test_size_is_read_from_the_header(suffix, options):
    assert image_size(encoded(suffix, **options)) == SHAPE[:2]


@pytest.mark.parametrize('content', [b'', b'text', b'\xff\xd8', encoded('jpeg')[:20]])
def test_what_is_not_an_image_has_no_size(content):
    assert image_size(content) is None
    with pytest.raises(ValueError, match='not an image that can be decoded'):
        decode(content)


def claim(content, height, width):
    """A JPEG whose header says another size."""
    place = content.index(b'\xff\xc0') + 5
    return content[:place] + struct.pack('>HH', height, width) + content[place + 4 :]


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(monkeypatch):
    huge = claim(encoded('jpeg'), 30000, 30000)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('decoded'))
    with pytest.raises(ValueError, match='30000x30000 pixels, expected at most 200000000'):
        decode(huge)
    with pytest.raises(ValueError, match='30x20 pixels, expected at most 599 .*max_pixels'):
        decode(encoded('png'), max_pixels=599)


def test_as_many_pixels_as_allowed_are_decoded():
    assert decode(encoded('png'), max_pixels=600).shape == SHAPE


def test_a_header_beyond_pillows_own_limit_is_refused_too():
    header = struct.pack('>4sIIBBBBB', b'IHDR', 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    with pytest.raises(ValueError, match='too large an image'):
        decode(b'\x89PNG\r\n\x1a\n' + chunk + struct.pack('>I', 50) + b'IDAT' + bytes(99))


@pytest.mark.parametrize('flag', [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED])
@pytest.mark.parametrize('shape', [(8, 8), (8, 8, 3)])
def test_more_than_eight_bits_are_refused(flag, shape):
    content = cv2.imencode('.png', np.zeros(shape, np.uint16))[1].tobytes()
    with pytest.raises(ValueError, match='uint16, expected 8 bits per channel'):
        decode(content, flag)
