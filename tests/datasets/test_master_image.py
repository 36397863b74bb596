import random

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from PIL import Image
from torch.nn import functional as F

from cmae_mm.datasets import (
    IndependentCrop,
    LoadImage,
    MasterCrop,
    RandomHorizontalFlip,
    master_image,
)
from cmae_mm.datasets.decode import EncodedImage
from cmae_mm.datasets.master_image import defer_decoding
from tests.helpers.files import loaded_image, smooth_picture, write_images
from tests.helpers.shards import serve


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tiff', 'webp', 'ppm', 'jpg'])
@pytest.mark.parametrize('loading', [{}, dict(color_type='unchanged', channels=3)])
def test_images_are_read_as_rgb(tmp_path, suffix, loading):
    path = str(tmp_path / f'red.{suffix}')
    red = np.full((16, 16, 3), (255, 40, 0), np.uint8)
    Image.fromarray(red).save(path)
    found = LoadImage(**loading)({'img_path': path})['img'].astype(int)
    assert np.abs(found - red).max() <= 10


def test_a_decoder_without_rgb_is_followed_by_a_swap(tmp_path):
    write_images(tmp_path, num=1)
    path = {'img_path': str(tmp_path / '0.jpg')}
    older = LoadImage()
    older.flag = cv2.IMREAD_COLOR
    assert (older(dict(path))['img'] == LoadImage()(dict(path))['img']).all()


def test_images_are_read_from_a_server(tmp_path):
    write_images(tmp_path, num=1)
    with serve(tmp_path) as server:
        remote = LoadImage()({'img_path': f'{server.url}/0.jpg'})
    assert (remote['img'] == LoadImage()({'img_path': str(tmp_path / '0.jpg')})['img']).all()


@pytest.mark.parametrize('color_type, channels', [('color', 3), ('grayscale', 1), ('unchanged', 4)])
def test_number_of_channels_follows_color_type(tmp_path, color_type, channels):
    Image.fromarray(np.full((8, 9, 4), (250, 40, 0, 99), np.uint8)).save(tmp_path / 'a.png')
    asked = channels if color_type == 'unchanged' else None
    loaded = LoadImage(color_type, channels=asked)({'img_path': str(tmp_path / 'a.png')})
    if color_type == 'unchanged':
        assert loaded['img'][0, 0].tolist() == [250, 40, 0, 99]
    assert loaded['img'].shape == (8, 9, channels)
    assert loaded['img_shape'] == (8, 9)


@pytest.mark.parametrize('content', [b'', b'this is text', None])
def test_what_can_not_be_read_is_skipped_with_a_warning(tmp_path, content, monkeypatch):
    warnings = []
    monkeypatch.setattr(master_image, 'print_log', lambda text, *_: warnings.append(text))
    path = tmp_path / 'broken.jpg'
    if content is not None:
        path.write_bytes(content)
    assert LoadImage()({'img_path': str(path)}) is None
    assert len(warnings) == 1 and 'broken.jpg' in warnings[0]


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(color_type='unchanged'), 'give the number of channels'),
        (dict(channels=3), 'give the number of channels'),
        (dict(dtype='float32'), 'choose from uint8, uint16'),
        (dict(color_type='gray'), 'choose from color'),
    ],
)
def test_fields_that_do_not_fit_are_an_error(fields, message):
    with pytest.raises(ValueError, match=message):
        LoadImage(**fields)


@pytest.mark.parametrize('color_type, channels', [('color', 3), ('grayscale', 1)])
def test_sixteen_bit_images_are_read_if_asked_for(tmp_path, color_type, channels):
    image = smooth_picture(channels=channels, dtype='uint16')
    cv2.imwrite(str(tmp_path / 'deep.png'), image[..., ::-1])
    found = LoadImage(color_type, dtype='uint16')({'img_path': str(tmp_path / 'deep.png')})['img']
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, image / 257, rtol=1e-6)


def test_a_jpeg_is_not_taken_for_sixteen_bits(tmp_path):
    write_images(tmp_path, num=1)
    pipeline = Compose([LoadImage(dtype='uint16'), MasterCrop(scale=32)])
    defer_decoding(pipeline)
    assert pipeline({'img_path': str(tmp_path / '0.jpg')}) is None


def test_master_images_of_floats_keep_their_range_and_precision():
    image = smooth_picture(size=(60, 70), channels=6).astype(np.float32)
    image[20:40, 20:40] = 255  # edges at which bicubic overshoots
    image[20:40, 40:60] = 0
    crop = MasterCrop(scale=32, crop_ratio_range=(0.5, 1.0))
    np.random.seed(3)
    found = crop(dict(img=image))['img']
    np.random.seed(3)
    eight = crop(dict(img=image.astype(np.uint8)))['img']
    assert found.dtype == np.float32 and found.shape == (32, 32, 6)
    assert found.min() >= 0 and found.max() <= 255
    assert 0 < np.abs(found - eight).mean() < 1  # bytes are limited after each direction
    flipped = RandomHorizontalFlip(prob=1)(dict(img=found))['img']
    assert (flipped == found[:, ::-1]).all()


def test_master_images_of_bytes_are_torchs_own():
    image = smooth_picture(size=(60, 70))
    crop = MasterCrop(scale=32, crop_ratio_range=(0.5, 1.0))
    np.random.seed(3)
    top, left, height, width = crop.rand_crop_params(image)
    part = torch.from_numpy(image[None, top : top + height, left : left + width])
    expected = F.interpolate(part.permute(0, 3, 1, 2), (32, 32), mode='bicubic', antialias=True)
    np.random.seed(3)
    found = crop(dict(img=image))['img']
    assert found.dtype == np.uint8 and np.array_equal(found, expected[0].permute(1, 2, 0))


def test_sixteen_bit_images_are_skipped(tmp_path):
    cv2.imwrite(str(tmp_path / 'deep.png'), np.zeros((8, 8), np.uint16))
    assert LoadImage('grayscale')({'img_path': str(tmp_path / 'deep.png')}) is None


def test_master_crop_agrees_with_pillow(tmp_path):
    write_images(tmp_path, num=1, size=(90, 120))
    image = LoadImage()({'img_path': str(tmp_path / '0.jpg')})
    crop = MasterCrop(scale=32, crop_ratio_range=(0.5, 1.0))
    np.random.seed(3)
    top, left, height, width = crop.rand_crop_params(image['img'])
    box = (left, top, left + width, top + height)
    expected = Image.fromarray(image['img']).resize((32, 32), Image.BICUBIC, box=box)
    np.random.seed(3)
    found = crop(dict(image))['img'].astype(float)
    assert np.abs(found - np.asarray(expected)).max() <= 4
    assert np.abs(found - np.asarray(expected)).mean() < 0.6


def test_noise_is_shrunk_as_pillow_does(tmp_path):
    """Without antialiasing noise keeps its contrast."""
    noise = loaded_image((200, 240))
    crop = MasterCrop(scale=24, crop_ratio_range=(0.9, 1.0))
    np.random.seed(3)
    top, left, height, width = crop.rand_crop_params(noise['img'])
    box = (left, top, left + width, top + height)
    expected = Image.fromarray(noise['img']).resize((24, 24), Image.BICUBIC, box=box)
    np.random.seed(3)
    found = crop(noise)['img'].astype(float)
    assert found.std() < 15  # of 74
    assert np.abs(found - np.asarray(expected)).max() <= 2


def test_decoding_is_left_to_a_crop_that_follows(tmp_path):
    write_images(tmp_path, num=1, size=(90, 120))
    path = {'img_path': str(tmp_path / '0.jpg')}
    followed, apart, other = LoadImage(), LoadImage(), LoadImage()
    crop = MasterCrop(scale=32)
    pipelines = [
        Compose([followed, crop]),
        Compose([apart, lambda results: results, crop]),
        Compose([other, IndependentCrop(crop_size=32)]),
    ]
    for pipeline in pipelines:
        defer_decoding(pipeline)
    assert (followed.deferred, apart.deferred, other.deferred) == (True, False, False)
    assert isinstance(followed(dict(path))['img'], EncodedImage)
    images = []
    for pipeline in pipelines[:2]:
        np.random.seed(3)
        images.append(pipeline(dict(path))['img'])
    assert (images[0] == images[1]).all()  # too small to be decoded at a scale


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_master_crop_takes_any_number_of_channels_and_rectangles(channels):
    found = MasterCrop(scale=(10, 14))(loaded_image((30, 40), channels))
    assert found['img'].shape == (10, 14, channels) and found['img'].dtype == np.uint8


@pytest.mark.parametrize('channels', [1, 3])
def test_images_are_flipped_as_often_as_told(channels):
    flip, image = RandomHorizontalFlip(prob=0.25), loaded_image(channels=channels)
    random.seed(0)
    results = [flip(dict(image))['img'] for _ in range(400)]
    flipped = [found for found in results if (found == image['img'][:, ::-1]).all()]
    assert 70 < len(flipped) < 130 and flipped[0].flags.c_contiguous
    assert sum((found == image['img']).all() for found in results) == 400 - len(flipped)
