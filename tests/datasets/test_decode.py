import importlib.util
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cmae_mm.datasets import MasterCrop
from cmae_mm.datasets.decode import EncodedImage, decode, image_size, read_header

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


def exif(orientation, endian):
    """A directory of two tags: the width of the image, and its orientation."""
    header = {'<': b'II*\0', '>': b'MM\0*'}[endian]
    tags = ((0x0100, 3, 1, 20), (0x0112, 3, 1, orientation))
    entries = b''.join(struct.pack(f'{endian}HHIHxx', *tag) for tag in tags)
    directory = struct.pack(f'{endian}IH', 8, len(tags)) + entries + bytes(4)
    return b'Exif\0\0' + header + directory


@pytest.mark.parametrize('endian', ['<', '>'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_header_gives_the_size_of_the_upright_image(orientation, endian):
    content = encoded('jpeg', exif=exif(orientation, endian))
    upright = decode(content).shape[:2]
    assert upright == ((20, 30) if orientation >= 5 else (30, 20))
    assert read_header(content).shape == upright
    assert image_size(content) == SHAPE[:2]


def test_orientation_that_is_cut_off_is_none():
    content = encoded('jpeg', exif=exif(6, '<')[:-20])
    assert read_header(content).shape == decode(content).shape[:2] == SHAPE[:2]


def test_only_jpegs_are_left_undecoded():
    assert read_header(encoded('png')) is None and read_header(b'text') is None
    assert read_header(encoded('jpeg'), cv2.IMREAD_UNCHANGED) is None
    with pytest.raises(ValueError, match='30x20 pixels, expected at most 599 .*max_pixels'):
        read_header(encoded('jpeg'), max_pixels=599)


def photograph(name, orientation=1):
    """A photograph that scikit-image brings along, as the file of a camera held otherwise."""
    folder = importlib.util.find_spec('skimage').submodule_search_locations[0]
    content = Path(folder, 'data', name).read_bytes()
    segment = exif(orientation, '>')
    return content[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + content[2:]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize(
    'name, size, orientation, scales',
    [
        ('rocket.jpg', (54, 48), 1, {1, 2}),
        ('rocket.jpg', (54, 48), 6, {1}),  # 427 pixels can't be halved from the other end
        ('hubble_deep_field.jpg', (80, 80), 1, {2}),
        ('hubble_deep_field.jpg', (80, 80), 3, {2}),
        ('hubble_deep_field.jpg', (80, 80), 6, {2}),
        ('retina.jpg', (40, 40), 1, {4, 8}),
    ],
)
def test_scaled_decoding_agrees_with_pillows_bicubic(name, size, orientation, scales):
    content = photograph(name, orientation)
    whole, crop = decode(content), MasterCrop(scale=size, crop_ratio_range=(0.2, 1.0))
    used = set()
    for seed in range(6):
        np.random.seed(seed)
        box = crop.rand_crop_params(whole)
        scale = read_header(content).scale_for(box, size)
        used.add(scale)
        top, left, bottom, right = (
            edge - edge % scale for edge in (box[0], box[1], box[0] + box[2], box[1] + box[3])
        )
        expected = Image.fromarray(whole[top:bottom, left:right])
        expected = expected.resize(size[::-1], Image.Resampling.BICUBIC)
        np.random.seed(seed)
        found = crop({'img': read_header(content)})['img']
        assert psnr(found, np.asarray(expected)) >= 45
    assert used == scales


def test_grey_images_are_decoded_at_a_scale_too():
    image = read_header(photograph('rocket.jpg'), cv2.IMREAD_GRAYSCALE)
    box = (0, 0, 427, 640)
    assert image.decode_crop(box, image.scale_for(box, (70, 70))).shape == (213, 320, 1)


def test_a_header_of_another_image_is_refused():
    with pytest.raises(ValueError, match=r'an image of \(30, 20\) pixels, .* says \(20, 30\)'):
        EncodedImage(encoded('jpeg'), cv2.IMREAD_COLOR, (20, 30)).decode_crop((0, 0, 9, 9))
