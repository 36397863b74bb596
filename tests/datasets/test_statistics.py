import numpy as np
import pytest

from cmae_mm.datasets import LoadImage
from cmae_mm.datasets.statistics import channel_statistics, find_loading
from tests.helpers.files import smooth_picture, write_images, write_tiff
from tests.helpers.process import process_here


def test_statistics_are_those_of_all_pixels(tmp_path):
    images = np.stack([smooth_picture(seed, channels=5, dtype='uint16') for seed in range(4)])
    images //= np.arange(1, 6, dtype=np.uint16)
    for number, image in enumerate(images):
        write_tiff(tmp_path / f'{number}.tif', image)
    paths = [*sorted(tmp_path.iterdir()), tmp_path / 'missing.tif']
    seen = []
    loading = find_loading(paths[::-1], 'unchanged')
    found = channel_statistics(paths, LoadImage(**loading), 0, seen.append)
    assert loading == dict(color_type='unchanged', channels=5, dtype='uint16')
    np.testing.assert_allclose(found.mean, images.mean((0, 1, 2)) / 257, rtol=1e-5)
    np.testing.assert_allclose(found.std, images.std((0, 1, 2)) / 257, rtol=1e-5)
    assert (found.images, found.skipped, sum(seen)) == (4, 1, 5)


def test_every_image_counts_the_same(tmp_path):
    for number, size in enumerate([(8, 8), (80, 80)]):
        write_tiff(tmp_path / f'{number}.tif', np.full((*size, 2), 100 * number, np.uint8))
    load = LoadImage('unchanged', channels=2)
    found = channel_statistics(sorted(tmp_path.iterdir()), load)
    assert found.mean.tolist() == [50, 50] and found.std.tolist() == [50, 50]


def test_nothing_to_measure_is_an_error(tmp_path):
    (tmp_path / 'a.png').write_text('no image')
    with pytest.raises(ValueError, match='none of 1 images can be decoded, the last .*a.png: not'):
        find_loading([tmp_path / 'a.png'], 'color')
    with pytest.raises(ValueError, match='none of 1 images can be read with 3 channels of uint8'):
        channel_statistics([tmp_path / 'a.png'], LoadImage())


@pytest.mark.parametrize('color_type, channels', [('color', 3), ('grayscale', 1)])
def test_tool_prints_lines_of_a_config(tmp_path, color_type, channels):
    write_images(tmp_path, num=3)
    options = '--color-type', color_type, '--num', 2, '--workers', 0
    printed = process_here('image_statistics.py', tmp_path, *options).stdout
    assert printed.startswith('# 2 images, 0 skipped\n')
    fields = {}
    exec(printed, fields)
    assert len(fields['data_preprocessor']['std']) == channels
    assert fields['model'] == dict(backbone=dict(in_channels=channels))
    kind = fields['load_image'].pop('type')
    assert kind == 'LoadImage' and LoadImage(**fields['load_image']).channels == channels
