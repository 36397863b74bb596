"""Shards hold every readable image once, byte for byte or shrunk."""

import io
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image

from cmae_mm.datasets import LoadImage, ShardDataset, packing
from cmae_mm.datasets.annotations import read_annotations
from cmae_mm.datasets.decode import decode
from cmae_mm.datasets.packing import Shrink, list_sources, pack
from cmae_mm.datasets.shard_index import ShardIndex
from tests.helpers.files import smooth_picture, write_images, write_tiff
from tests.helpers.shards import pack_folder


def members(out):
    """Names and contents of all images, in the order of the shards."""
    found = {}
    for path in sorted(out.glob('*.tar')):
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.name not in found
                found[member.name] = tar.extractfile(member).read()
    return found


def read_index(out):
    return ShardIndex.parse((out / 'index.json').read_bytes(), 'the index')


def test_every_image_is_packed_once_byte_for_byte_in_a_random_order(tmp_path):
    images = write_images(tmp_path / 'images', num=20, name='class/{}.png')
    write_images(images, num=1, name='grüße/' + 'long' * 40 + '.jpg')
    out = pack_folder(images, tmp_path / 'out', 6)
    found = members(out)
    paths = [path for path in images.rglob('*') if path.is_file()]
    assert found == {str(path.relative_to(images)): path.read_bytes() for path in paths}
    assert list(found) != sorted(found)
    assert sorted(map(len, read_index(out).shards)) == [5, 5, 5, 6]


def test_the_index_says_where_each_content_is(tmp_path):
    images = write_images(tmp_path / 'images', num=5)
    out = pack_folder(images, tmp_path / 'out', 3)
    index, contents = read_index(out), list(members(out).values())
    for number, content in enumerate(contents):
        shard, place = index.locate(number)
        start, size = shard.offsets[place], shard.sizes[place]
        assert (out / shard.name).read_bytes()[start : start + size] == content
    assert len(index) == 5


def test_the_same_images_make_the_same_bytes_whoever_packs_them(tmp_path):
    images = write_images(tmp_path / 'images', num=9)
    outs = [
        pack_folder(images, tmp_path / name, 2, workers=workers, seed=seed)
        for name, workers, seed in (('a', 1, 0), ('b', 3, 0), ('c', 1, 1))
    ]
    first, again, other = ({path.name: path.read_bytes() for path in out.iterdir()} for out in outs)
    assert first == again and first != other


def test_images_that_can_not_be_read_are_left_out_and_listed(tmp_path):
    images = write_images(tmp_path / 'images', num=4)
    good = set(images.iterdir())
    jpeg = (images / '0.jpg').read_bytes()
    (images / 'half.jpg').write_bytes(jpeg[: len(jpeg) // 2])
    (images / 'text.png').write_text('no image')
    cv2.imwrite(str(images / 'deep.png'), np.zeros((8, 8), np.uint16))
    sources = list_sources(images)
    result = pack(sources, images, tmp_path / 'out', 2)
    assert set(members(tmp_path / 'out')) == {path.name for path in good}
    lines = (tmp_path / 'out' / 'skipped.txt').read_text().splitlines()
    reasons = dict(line.split('\t') for line in lines)
    assert reasons.keys() == {'half.jpg', 'text.png', 'deep.png'}
    assert 'not an image' in reasons['text.png'] and 'uint16' in reasons['deep.png']
    assert len(read_index(tmp_path / 'out')) == 4 and len(result.skipped) == 3


def test_only_unreadable_images_are_an_error_and_leave_no_index(tmp_path):
    (tmp_path / 'a.jpg').write_text('no image')
    with pytest.raises(ValueError, match='none of 1 images could be read'):
        pack_folder(tmp_path, tmp_path / 'out')
    assert not list((tmp_path / 'out').glob('*.tar')) + list((tmp_path / 'out').glob('*.json'))


@pytest.mark.parametrize('lines', ['a.jpg 1\nb.jpg\n', 'a.jpg 1\nb.jpg -1\n', 'a.jpg cat\n'])
def test_a_line_without_a_label_is_named(tmp_path, lines):
    (tmp_path / 'list.txt').write_text(lines)
    with pytest.raises(ValueError, match="list.txt': '(b.jpg|b.jpg -1|a.jpg cat)' has no label"):
        read_annotations(tmp_path / 'list.txt')


def test_names_may_have_spaces(tmp_path):
    (tmp_path / 'list.txt').write_text('a photo.jpg\nb.jpg (copy).jpg\nno suffix\n')
    names = [source.path for source in read_annotations(tmp_path / 'list.txt')]
    assert names == ['a photo.jpg', 'b.jpg (copy).jpg', 'no suffix']


def test_annotations_choose_the_images_and_label_them(tmp_path):
    images = write_images(tmp_path / 'images', num=4, name='my images/{}.jpg')
    (tmp_path / 'train.txt').write_text('my images/2.jpg 7\nmy images/0.jpg 300\n')
    sources = list_sources(images, tmp_path / 'train.txt')
    pack(sources, images, tmp_path / 'out', 1)
    labels = [int(shard.labels[0]) for shard in read_index(tmp_path / 'out').shards]
    by_name = dict(zip(members(tmp_path / 'out'), labels))
    assert by_name == {'my images/2.jpg': 7, 'my images/0.jpg': 300}
    (tmp_path / 'paths.txt').write_text('my images/2.jpg\n')
    assert [*list_sources(images, tmp_path / 'paths.txt')[0]] == ['my images/2.jpg', None]


@pytest.mark.parametrize('line', ['../a.jpg', '/etc/a.jpg', 'a.jpg\na.jpg'])
def test_paths_that_leave_the_folder_or_repeat_are_an_error(tmp_path, line):
    (tmp_path / 'list.txt').write_text(line)
    with pytest.raises(ValueError, match='expected each path once, below the folder'):
        list_sources(tmp_path, tmp_path / 'list.txt')


def test_missing_and_full_folders_are_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*/none'):
        list_sources(tmp_path / 'none')
    with pytest.raises(ValueError, match='no image in'):
        list_sources(tmp_path)
    images = write_images(tmp_path / 'images', num=1)
    with pytest.raises(FileExistsError, match='images. is not empty'):
        pack_folder(images, images)


def prepare(content, shrink, **loading):
    return packing.prepare(content, shrink, LoadImage(**loading))


def encoded(image, suffix='JPEG', **options):
    content = io.BytesIO()
    Image.fromarray(image).save(content, suffix, **options)
    return content.getvalue()


def picture(height, width, channels=3):
    coarse = np.random.default_rng(0).integers(0, 256, (5, 5, channels), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_large_images_are_shrunk_to_the_short_side_and_small_ones_copied():
    large, small = encoded(picture(120, 90)), encoded(picture(40, 200))
    shrunk = prepare(large, Shrink(40))
    expected = Image.fromarray(decode(large)).resize((40, 53), Image.Resampling.BICUBIC)
    assert decode(shrunk).shape == (53, 40, 3)
    assert np.abs(decode(shrunk) - np.asarray(expected, float)).mean() < 4
    assert prepare(small, Shrink(40)) is small and prepare(large, None) is large


def test_quality_is_that_of_jpeg():
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    sizes = [len(prepare(encoded(image, 'PNG'), Shrink(40, quality))) for quality in (50, 90)]
    assert sizes[0] < sizes[1]


def test_shrunk_images_stand_as_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    turned = encoded(picture(80, 120), exif=exif)
    with Image.open(io.BytesIO(prepare(turned, Shrink(40)))) as image:
        assert image.size == (40, 60) and not image.getexif()


def test_grey_images_stay_grey_and_others_become_colour():
    for content, mode in (
        (encoded(picture(80, 80, 1)), 'L'),
        (encoded(picture(80, 80, 4), 'PNG'), 'RGB'),
    ):
        with Image.open(io.BytesIO(prepare(content, Shrink(40)))) as image:
            assert image.mode == mode


def test_images_that_training_reads_as_grey_are_shrunk_to_grey():
    large = encoded(picture(80, 120))
    shrunk = prepare(large, Shrink(40), color_type='grayscale')
    with Image.open(io.BytesIO(shrunk)) as image:
        assert (image.mode, image.size) == ('L', (60, 40))
    expected = Image.fromarray(decode(large, cv2.IMREAD_GRAYSCALE)[:, :, 0]).resize((60, 40))
    found = decode(shrunk, cv2.IMREAD_GRAYSCALE)[:, :, 0]
    assert np.abs(found - np.asarray(expected, float)).mean() < 4


def test_images_of_many_channels_and_16_bits_are_packed_for_a_config_that_reads_them(tmp_path):
    image = smooth_picture(channels=6, dtype='uint16')
    write_tiff(tmp_path / 'images/a.tif', image)
    write_images(tmp_path / 'images', num=1)
    loading = dict(color_type='unchanged', channels=6, dtype='uint16')
    out = pack_folder(tmp_path / 'images', tmp_path / 'out', load=LoadImage(**loading))
    (info,) = ShardDataset(str(out), pipeline=[dict(type='LoadImage', **loading)])
    np.testing.assert_allclose(info['img'], image / 257, rtol=1e-6)
    assert '0.jpg\tan image of uint8' in (out / 'skipped.txt').read_text()


@pytest.mark.parametrize(
    'loading, found',
    [
        (dict(dtype='uint16'), '3 channels of uint16'),
        (dict(color_type='unchanged', channels=4), '4 channels of uint8'),
    ],
)
def test_what_a_jpeg_can_not_hold_is_not_shrunk(tmp_path, loading, found):
    images = write_images(tmp_path / 'images', num=1)
    with pytest.raises(ValueError, match=f'{found} can not be shrunk: .* pack them as they are'):
        pack_folder(images, tmp_path / 'out', shrink=Shrink(20), load=LoadImage(**loading))
    assert not (tmp_path / 'out').exists()


def test_shrunk_images_are_named_as_jpegs(tmp_path):
    images = write_images(tmp_path / 'images', num=1, name='{}.png')
    write_images(images, num=1, size=(8, 8), name='small.png')
    out = pack_folder(images, tmp_path / 'out', shrink=Shrink(20))
    assert set(members(out)) == {'0.png.jpg', 'small.png'}
