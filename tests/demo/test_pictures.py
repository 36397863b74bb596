from pathlib import Path

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from cmae_mm.datasets import LoadImage
from cmae_mm.demo import pictures


@pytest.fixture
def few_pictures(monkeypatch):
    monkeypatch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 3, 'test': 2})


def _contents(root: Path) -> dict:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*.jpg')}


@pytest.mark.parametrize('name', pictures.SURFACES)
def test_train_and_test_regions_lie_in_the_photograph_and_apart(name):
    surface = pictures.SURFACES[name]
    width, height = Image.open(pictures.photograph_path(surface)).size
    seen = np.zeros((height, width), int)
    for left, top, right, bottom in (surface.train, surface.test):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert min(right - left, bottom - top) >= pictures._CUT_SIDES[1]
        seen[top:bottom, left:right] += 1
    assert seen.max() == 1


def test_no_region_is_shared_between_classes():
    surfaces = pictures.SURFACES.values()
    for file in {surface.file for surface in surfaces}:
        seen = np.zeros((1500, 1500), int)
        for surface in surfaces:
            if surface.file == file:
                for left, top, right, bottom in (surface.train, surface.test):
                    seen[top:bottom, left:right] += 1
        assert seen.max() == 1, file


def test_pictures_show_pixels_of_their_region_only(monkeypatch):
    """A region painted black in a white photograph gives black pictures."""
    photograph = np.full((120, 200), 255, np.uint8)
    photograph[:, :100] = 0
    monkeypatch.setattr(pictures, '_expose', lambda pixels, rng: pixels.astype(np.uint8))
    region = Image.fromarray(photograph).crop((0, 0, 100, 120))
    rng = np.random.default_rng(0)
    assert all(np.asarray(pictures._cut(region, rng)).max() == 0 for _ in range(50))


def test_writes_grey_class_folders(tmp_path, few_pictures):
    pictures.write_builtin_images(tmp_path)
    for split, count in pictures.PICTURES_PER_CLASS.items():
        folders = sorted(path.name for path in (tmp_path / split).iterdir())
        assert folders == sorted(pictures.SURFACES)
        for folder in folders:
            images = [Image.open(p) for p in (tmp_path / split / folder).iterdir()]
            assert len(images) == count
            assert all(image.size == (pictures.SIDE,) * 2 for image in images)
            assert all(image.mode == 'L' for image in images)


def test_same_pictures_every_time_and_no_two_alike(tmp_path, few_pictures):
    pictures.write_builtin_images(tmp_path / 'a')
    pictures.write_builtin_images(tmp_path / 'b')
    first = _contents(tmp_path / 'a')
    assert first == _contents(tmp_path / 'b')
    assert len(set(first.values())) == len(first)


def test_pictures_in_colour_have_the_hues_of_their_photograph(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 1, 'test': 1})
    pictures.write_builtin_images(tmp_path, 'RGB')
    for name, is_coloured in (('petals', True), ('brick', False)):
        picture = Image.open(tmp_path / 'train' / name / '000.jpg')
        assert picture.mode == 'RGB'
        red, _, blue = np.moveaxis(np.asarray(picture, float), 2, 0)
        assert (np.abs(red - blue).mean() > 10) == is_coloured


def test_every_folder_draws_for_itself(tmp_path, few_pictures, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (600, 600), dtype=np.uint8)
    monkeypatch.setattr(
        pictures, 'open_region', lambda surface, split, mode: Image.fromarray(noise)
    )
    pictures.write_builtin_images(tmp_path)
    contents = _contents(tmp_path)
    assert len(set(contents.values())) == len(contents)


def test_exposure_tells_nothing_of_the_photograph():
    pixels = np.random.default_rng(1).uniform(0, 40, (16, 16)).astype(np.float32)
    dark = pictures._expose(pixels, np.random.default_rng(2))
    bright = pictures._expose(pixels + 200, np.random.default_rng(2))
    assert np.array_equal(dark, bright)


def test_missing_package_or_photograph_is_named():
    surface = pictures.Surface('no_such_package', 'a.png', (0, 0, 9, 9), (9, 0, 18, 9))
    with pytest.raises(FileNotFoundError, match='no_such_package'):
        pictures.photograph_path(surface)
    with pytest.raises(FileNotFoundError, match='no a.png'):
        pictures.photograph_path(surface._replace(package='skimage'))


def test_images_are_written_once_and_whole(tmp_path, few_pictures, monkeypatch):
    root = tmp_path / 'data' / 'builtin'
    with monkeypatch.context() as broken:
        broken.setattr(pictures, '_cut', lambda region, rng: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pictures.ensure_builtin_images(root)
    assert list(root.parent.iterdir()) == []
    pictures.ensure_builtin_images(root)
    written = _contents(root)
    monkeypatch.setattr(pictures, '_cut', lambda region, rng: 1 / 0)
    pictures.ensure_builtin_images(root)
    assert _contents(root) == written and list(root.parent.iterdir()) == [root]


def test_a_faster_process_wins(tmp_path, few_pictures, monkeypatch):
    root = tmp_path / 'builtin'
    write = pictures.write_builtin_images

    def write_late(folder, mode):
        write(folder)
        write(root)  # the other process

    monkeypatch.setattr(pictures, 'write_builtin_images', write_late)
    pictures.ensure_builtin_images(root)
    assert list(tmp_path.iterdir()) == [root]
    assert len(_contents(root)) == 5 * len(pictures.SURFACES)


def test_the_data_set_writes_what_it_reads(tmp_path, few_pictures):
    root = tmp_path / 'builtin'
    pipeline = [LoadImage('grayscale')]
    images = DATASETS.build(
        dict(type='BuiltinImages', data_root=str(root), data_prefix='train', pipeline=pipeline)
    )
    assert len(images) == 3 * len(pictures.SURFACES)
    assert images[0]['img'].shape == (pictures.SIDE, pictures.SIDE, 1)
