"""TIFF files of any number of channels, however they are laid out."""

import sys

import numpy as np
import pytest

from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.decode import MAX_PIXELS
from cmae_mm.datasets.tiff import decode_tiff, is_tiff
from tests.helpers.files import smooth_picture, write_tiff

pytest.importorskip('tifffile')
SIZE = (12, 9)


def content_of(path, image, **options):
    write_tiff(path, image, **options)
    return path.read_bytes()


@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
@pytest.mark.parametrize('channels', [2, 3, 5, 12])
@pytest.mark.parametrize(
    'layout',
    [
        dict(planarconfig='contig'),
        dict(planarconfig='separate'),
        dict(planarconfig=None, metadata=None),  # pages
        dict(planarconfig='contig', byteorder='>', bigtiff=True, compression='zlib'),
    ],
)
def test_channels_are_samples_planes_or_pages(tmp_path, dtype, channels, layout):
    image = smooth_picture(size=SIZE, channels=channels, dtype=dtype)
    stored = image if layout['planarconfig'] == 'contig' else np.moveaxis(image, 2, 0)
    content = content_of(tmp_path / 'a.tif', stored.copy(), **layout)
    assert is_tiff(content)
    found = decode_tiff(content, channels)
    assert found.dtype == dtype and np.array_equal(found, image)


def test_a_single_channel_has_an_axis(tmp_path):
    content = content_of(tmp_path / 'a.tif', smooth_picture(channels=1)[..., 0], planarconfig=None)
    assert decode_tiff(content).shape == (40, 50, 1)


@pytest.mark.parametrize(
    'image, options, message',
    [
        (smooth_picture(channels=4), {}, '4 channels, expected 6'),
        (np.zeros((2, 3, *SIZE), np.uint8), dict(planarconfig=None), '2x3x12x9: expected height'),
        (
            smooth_picture(channels=1)[..., 0],
            dict(photometric='palette', colormap=np.zeros((3, 256), np.uint16), planarconfig=None),
            'palette',
        ),
        (np.zeros((6, 40, 6), np.uint8), dict(max_pixels=200), '6x40 pixels, expected at most 200'),
    ],
)
def test_what_is_not_such_an_image_is_refused(tmp_path, image, options, message):
    options = dict(options)
    limit = options.pop('max_pixels', MAX_PIXELS)
    content = content_of(tmp_path / 'a.tif', image, **options)
    with pytest.raises(ValueError, match=message):
        decode_tiff(content, 6, limit)


@pytest.mark.parametrize('damage', [lambda c: c[:40], lambda c: c[: len(c) // 2], lambda c: c[:8]])
def test_damaged_files_are_refused(tmp_path, damage):
    content = content_of(tmp_path / 'a.tif', smooth_picture(channels=6), compression='zlib')
    with pytest.raises(ValueError):
        decode_tiff(damage(content), 6)


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch):
    content = content_of(tmp_path / 'a.tif', smooth_picture(channels=6))
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(ImportError, match=r'pip install .*cmae_mm\[tiff\]'):
        decode_tiff(content, 6)


def load(path, **options):
    results = dict(img_path=str(path))
    return LoadImage('unchanged', **options)(results), results.get('unreadable')


def test_sixteen_bits_become_numbers_up_to_255(tmp_path):
    image = smooth_picture(channels=6, dtype='uint16')
    image[0, 0] = (0, 1, 257, 514, 65534, 65535)
    write_tiff(tmp_path / 'a.tif', image)
    found = load(tmp_path / 'a.tif', channels=6, dtype='uint16')[0]['img']
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, image / 257, rtol=1e-6)


@pytest.mark.parametrize(
    'stored, asked, message',
    [
        ('uint16', 'uint8', 'uint16, expected 8 bits'),
        ('uint8', 'uint16', 'uint8, expected 16 bits'),
    ],
)
def test_another_depth_than_asked_for_is_skipped(tmp_path, stored, asked, message):
    write_tiff(tmp_path / 'a.tif', smooth_picture(channels=6, dtype=stored))
    found, reason = load(tmp_path / 'a.tif', channels=6, dtype=asked)
    assert found is None and message in reason
