import cv2
import numpy as np
import pytest

from cmae_mm.datasets.decode import decode
from cmae_mm.datasets.folder import IMAGE_SUFFIXES, find_images
from tests.helpers.files import write_images


@pytest.mark.parametrize(
    'suffix', ['.webp', '.tiff', '.tif', '.JPEG', '.Png', '.bmp', '.jfif', '.ppm']
)
def test_what_the_decoder_reads_is_found(tmp_path, suffix):
    write_images(tmp_path / 'a', num=1, name='{}.png')
    content = (tmp_path / 'a' / '0.png').read_bytes()
    encoded = {'.jfif': '.jpg'}.get(suffix, suffix.lower())
    path = tmp_path / 'b' / f'x{suffix}'
    path.parent.mkdir()
    path.write_bytes(cv2.imencode(encoded, cv2.imdecode(np.frombuffer(content, np.uint8), 1))[1])
    assert find_images(path.parent) == ([path.name], {})
    assert decode(path.read_bytes()).shape == (40, 50, 3)


def test_every_optional_format_that_is_found_can_be_decoded():
    image = np.zeros((16, 16, 3), np.uint8)
    for suffix in {'.avif', '.gif'} & set(IMAGE_SUFFIXES):
        assert decode(cv2.imencode(suffix, image)[1].tobytes()).shape == (16, 16, 3)


def test_what_is_passed_over_is_counted_by_kind(tmp_path):
    write_images(tmp_path / 'deep' / 'folder.jpg', num=2)
    write_images(tmp_path, num=1, name='linked_to.png')
    (tmp_path / 'link.png').symlink_to('linked_to.png')
    (tmp_path / 'gone.png').symlink_to('nowhere.png')
    for name in ('a.txt', 'b.TXT', 'README', 'film.mp4', '.hidden'):
        (tmp_path / name).write_text('')
    images, passed_over = find_images(tmp_path)
    assert images == ['deep/folder.jpg/0.jpg', 'deep/folder.jpg/1.jpg', 'link.png', 'linked_to.png']
    assert passed_over == {
        '.txt files': 2,
        'no suffix files': 1,
        '.mp4 files': 1,
        'broken links': 1,
        'folders named like images': 1,
    }


def test_a_link_to_a_parent_folder_does_not_loop(tmp_path):
    write_images(tmp_path / 'a', num=1)
    (tmp_path / 'a' / 'up').symlink_to(tmp_path)
    assert find_images(tmp_path)[0] == ['a/0.jpg']
