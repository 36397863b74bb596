import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, default_collate
from PIL import Image

from cmae_mm.datasets import (
    ColorAugment,
    IndependentCrop,
    LoadImage,
    MasterCrop,
    PackViews,
    PixelShift,
    transforms,
)
from cmae_mm.datasets.decode import EncodedImage
from cmae_mm.datasets.transforms import defer_decoding
from cmae_mm.models import CMAEDataPreprocessor
from cmae_mm.views import LUMA, ViewParameters
from tests.helpers.files import write_images

NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0])


def master(size=(20, 20), channels=3):
    image = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    return {'img': image, 'img_shape': size}


def test_images_are_read_as_rgb(tmp_path):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(tmp_path / 'red.png')
    assert (LoadImage()({'img_path': str(tmp_path / 'red.png')})['img'] == red).all()


@pytest.mark.parametrize('color_type, channels', [('color', 3), ('grayscale', 1), ('unchanged', 4)])
def test_number_of_channels_follows_color_type(tmp_path, color_type, channels):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((8, 9, 4), 9, np.uint8))
    loaded = LoadImage(color_type)({'img_path': str(tmp_path / 'a.png')})
    assert loaded['img'].shape == (8, 9, channels)
    assert loaded['img_shape'] == (8, 9)


@pytest.mark.parametrize('content', [b'', b'this is text', None])
def test_what_can_not_be_read_is_skipped_with_a_warning(tmp_path, content, monkeypatch):
    warnings = []
    monkeypatch.setattr(transforms, 'print_log', lambda text, *_: warnings.append(text))
    path = tmp_path / 'broken.jpg'
    if content is not None:
        path.write_bytes(content)
    assert LoadImage()({'img_path': str(path)}) is None
    assert len(warnings) == 1 and 'broken.jpg' in warnings[0]


def test_sixteen_bit_images_are_skipped(tmp_path):
    cv2.imwrite(str(tmp_path / 'deep.png'), np.zeros((8, 8), np.uint16))
    assert LoadImage('unchanged')({'img_path': str(tmp_path / 'deep.png')}) is None


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
    noise = master((200, 240))
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
    found = MasterCrop(scale=(10, 14))(master((30, 40), channels))
    assert found['img'].shape == (10, 14, channels) and found['img'].dtype == np.uint8


def test_pixel_shift_reaches_every_offset_from_zero_to_the_largest():
    shift = PixelShift(crop_size=16, max_shift=2)
    offsets = set()
    for _ in range(200):
        views = shift(master())
        assert views['online'].box == (0, 0, 16, 16)
        top, left, height, width = views['target'].box
        assert (height, width) == (16, 16)
        offsets.add((top, left))
    assert offsets == {(top, left) for top in range(3) for left in range(3)}


def test_master_image_too_small_is_an_error():
    with pytest.raises(
        ValueError, match='20x20 is too small: crop 16x16 [+] max_shift 5 needs 21x21'
    ):
        PixelShift(crop_size=16, max_shift=5)(master())


def test_independent_crop_gives_the_target_its_own_master():
    views = IndependentCrop(crop_size=16, crop_ratio_range=(0.2, 0.5))(master())
    assert views['target_master'].shape == (16, 16, 3)
    assert views['target'].box == views['online'].box == (0, 0, 16, 16)
    assert (views['img'] == master()['img']).all()


def test_flipped_images_are_cropped():
    np.random.seed(0)
    flipped = {**master(), 'img': master()['img'][:, ::-1]}
    crop = IndependentCrop(crop_size=20, crop_ratio_range=(1.0, 1.0), aspect_ratio_range=(1.0, 1.0))
    views = crop(flipped)
    assert views['target_master'].tolist() == flipped['img'].tolist()


def test_color_augment_draws_within_its_ranges():
    augment, drawn = ColorAugment(blur_sigma=(0.5, 2.0)), []
    np.random.seed(0)
    for _ in range(600):
        drawn.append(augment(PixelShift(16, 4)(master()))['target'].pack())
    _, jitter, order, gray, blur, _ = ViewParameters.unpack(torch.stack(drawn))
    for largest, drawn_jitter in zip((0.4, 0.4, 0.4, 0.1), (jitter - NEUTRAL).T):
        assert 0.95 * largest < drawn_jitter.max() <= largest  # both ends are reached
        assert -largest <= drawn_jitter.min() < -0.95 * largest
    blurred = blur > 0
    assert 0.5 <= blur[blurred].min() < 0.55 and 1.95 < blur.max() <= 2.0
    assert order.sort(dim=1).values.equal(torch.arange(4.0).expand(600, 4))
    jittered = (jitter != NEUTRAL).any(dim=1)
    for chosen, probability in ((jittered, 0.8), (gray, 0.2), (blurred, 0.5)):
        assert abs(chosen.float().mean().item() - probability) < 0.1


def test_weights_of_grey_come_with_the_view():
    color = ColorAugment(gray_prob=1, gray_weights=(0.5, 0.25, 0.25))
    view = color(PixelShift(16, 4)(master()))['target']
    assert view.gray == (True,) and view.gray_weights == (0.5, 0.25, 0.25)
    assert ColorAugment()(PixelShift(16, 4)(master()))['target'].gray_weights == LUMA


def test_colours_of_images_without_three_channels_are_an_error():
    one_channel = PixelShift(16, 4)(master(channels=1))
    with pytest.raises(ValueError, match='need RGB, found 1 channels'):
        ColorAugment()(one_channel)
    ColorAugment(saturation=0, hue=0, gray_prob=0)(one_channel)


@pytest.mark.parametrize('spatial', [PixelShift(16, 4), IndependentCrop(crop_size=20)])
def test_views_made_in_the_worker_are_those_of_the_device(spatial):
    batches = {'device': [], 'worker': []}
    for seed in range(8):
        for where, batch in batches.items():
            np.random.seed(seed)
            batch.append(PackViews(where=where)(ColorAugment()(spatial(master()))))
    preprocessor = CMAEDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    on_device, in_worker = (
        preprocessor(default_collate(batch))['inputs'] for batch in batches.values()
    )
    assert on_device[0].equal(in_worker[0])
    assert on_device[1].shape == in_worker[1].shape
    # of noise, whose hues are the worst case (tests/test_worker_views.py has pictures)
    assert (on_device[1] - in_worker[1]).abs().mean() < 2


@pytest.mark.parametrize('channels', [1, 3])
def test_flipped_images_are_packed(channels):
    results = PixelShift(16, 4)(master(channels=channels))
    flipped = results['img'][:, ::-1]
    on_device, in_worker = (
        PackViews(['online'], where)({**results, 'img': flipped})['inputs']
        for where in ('device', 'worker')
    )
    assert (on_device['master'].numpy() == flipped.transpose(2, 0, 1)).all()
    assert in_worker['online'].equal(on_device['master'][:, :16, :16])


def test_views_are_made_where_it_is_cheapest(monkeypatch):
    assert PackViews().where == 'worker' or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert PackViews().where == 'device' and PackViews(where='worker').where == 'worker'


def test_preprocessor_normalises_and_gives_a_single_view_as_a_tensor():
    mean, std = [10.0, 20.0, 30.0], [2.0, 4.0, 8.0]
    packed = default_collate([PackViews(views=['online'])(PixelShift(16, 4)(master()))])
    found = CMAEDataPreprocessor(mean, std, views=['online'])(packed)['inputs']
    pixels = torch.from_numpy(master()['img'][:16, :16]).permute(2, 0, 1).float()
    expected = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(found[0], expected)


def test_preprocessor_of_another_number_of_channels_is_an_error():
    packed = default_collate([PackViews()(PixelShift(16, 4)(master()))])
    with pytest.raises(ValueError, match='images of 3 channels, mean and std of 1'):
        CMAEDataPreprocessor([0.0], [1.0])(packed)
