import random

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from PIL import Image

from cmae_mm.datasets import (
    IndependentCrop,
    LoadImage,
    MasterCrop,
    RandomHorizontalFlip,
    master_image,
)
from cmae_mm.datasets.decode import EncodedImage
from cmae_mm.datasets.master_image import defer_decoding
from tests.helpers.files import loaded_image, write_images
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
