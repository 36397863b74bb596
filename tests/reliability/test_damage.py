"""The short form of what `make reliability` does at length."""

import numpy as np
import pytest
from PIL import Image

from tests.helpers.files import write_images
from tests.reliability.damage import DAMAGES, REFUSED, UNUSUAL, read_all, write_corpus


def test_no_damage_crashes_a_reader(tmp_path):
    write_images(tmp_path / 'whole', num=4, size=(120, 160))
    files = write_corpus(sorted(tmp_path.glob('whole/*')), tmp_path / 'damaged', 5 * len(DAMAGES))
    readings = read_all(files)
    assert {reading.result for reading in readings} == {'read', 'skipped'}
    by_kind = {
        kind.__name__: [r.result for r in readings if r.kind == kind.__name__] for kind in DAMAGES
    }
    for kind in ('truncate', 'swap_headers', 'garbage', 'text'):
        assert set(by_kind[kind]) == {'skipped'}, kind


def picture():
    rows, columns = np.mgrid[:90, :120]
    channels = (rows * 2, columns * 2, 255 - rows - columns // 2)
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


@pytest.mark.parametrize('name', UNUSUAL)
def test_unusual_files_are_read_as_another_decoder_reads_them(tmp_path, name):
    (tmp_path / name).write_bytes(UNUSUAL[name](picture()))
    (reading,) = read_all([tmp_path / name])
    assert reading.result == 'read' and reading.as_pillow


@pytest.mark.parametrize('name', REFUSED)
def test_what_would_be_read_wrong_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(REFUSED[name](picture()))
    (reading,) = read_all([tmp_path / name])
    assert reading.result == 'skipped'
