"""tools/make_shards.py packs, says what it left out, and its errors are one line."""

import json

import cv2
import pytest

from tests.helpers.files import smooth_picture, write_images
from tests.helpers.process import process_here


def test_packs_a_folder_and_says_what_was_left_out(tmp_path):
    images = write_images(tmp_path / 'images', num=5)
    (images / 'text.png').write_text('no image')
    options = '--samples-per-shard', 2, '--short-side', 20, '--workers', 1
    process = process_here('make_shards.py', images, tmp_path / 'out', *options)
    assert process.returncode == 0
    first, second = process.stdout.splitlines()
    assert first.startswith('5 images in 3 shards, ') and first.endswith('5 were shrunk')
    assert second.startswith('1 left out: ') and 'text.png (not an image' in second
    assert json.loads((tmp_path / 'out' / 'index.json').read_text())['samples'] == 5


def test_packs_what_the_config_reads(tmp_path):
    write_images(tmp_path / 'images', num=2)
    (tmp_path / 'images/deep.png').write_bytes(
        cv2.imencode('.png', smooth_picture(dtype='uint16'))[1].tobytes()
    )
    process = process_here(
        'make_shards.py', tmp_path / 'images', tmp_path / 'out', '--dtype', 'uint16'
    )
    first, second = process.stdout.splitlines()
    assert first.startswith('1 images in 1 shards') and second.startswith('2 left out')


@pytest.mark.parametrize(
    'options, message',
    [
        (('--color-type', 'unchanged'), 'give the number of channels'),
        ((), 'is not empty: choose a new folder'),
        (('--samples-per-shard', 0), '0 images per shard: expected 1 or more'),
        (('--annotations', 'none.txt'), 'none.txt'),
    ],
)
def test_errors_are_one_line(tmp_path, options, message):
    images = write_images(tmp_path / 'images', num=1)
    process = process_here('make_shards.py', images, images, *options)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith('error: ') and message in process.stderr
