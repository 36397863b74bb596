import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cmae_mm.demo import pictures, scenes

FEW = {'train': 12, 'val': 9}
SPLITS = tuple(FEW)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'scenes'
    scenes.write_builtin_scenes(root, FEW)
    return root


@pytest.fixture
def as_is(monkeypatch):
    """Textures keep the grey levels of their photograph."""
    monkeypatch.setattr(pictures, '_expose', lambda pixels, rng: pixels.astype(np.uint8))


def _contents(root: Path) -> dict:
    files = (path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def _scenes(root: Path, split: str):
    """Yields label maps [SIDE, SIDE] and their annotations, each with its label."""
    contents = json.loads((root / f'instances_{split}.json').read_text())
    names = {category['id']: category['name'] for category in contents['categories']}
    for image in contents['images']:
        path = root / 'labels' / split / Path(image['file_name']).with_suffix('.png')
        objects = [a for a in contents['annotations'] if a['image_id'] == image['id']]
        for found in objects:
            found['label'] = _index(names[found['category_id']])
        yield np.asarray(Image.open(path)), objects


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask and the pixels next to it."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (3, 3))
    return windows.any(axis=(2, 3))


def _index(name: str) -> int:
    return scenes.SCENE_CLASSES.index(name)


def test_classes_are_things_and_stuff():
    assert list(scenes.SCENE_CLASSES) == sorted(pictures.SURFACES)
    assert sorted(scenes.THINGS + scenes.STUFF) == list(scenes.SCENE_CLASSES)
    assert len(scenes.THINGS) == 5


@pytest.mark.parametrize('split', SPLITS)
def test_pictures_and_label_maps_are_grey_and_listed(root, split):
    contents = json.loads((root / f'instances_{split}.json').read_text())
    assert set(contents) == {'info', 'licenses', 'images', 'categories', 'annotations'}
    assert [(c['id'], c['name']) for c in contents['categories']] == list(
        enumerate(scenes.THINGS, start=1)
    )
    ids = [annotation['id'] for annotation in contents['annotations']]
    assert ids == list(range(1, len(ids) + 1))
    listed = [Path(image['file_name']).stem for image in contents['images']]
    assert listed == [f'{index:03d}' for index in range(FEW[split])]
    for folder, suffix in (('images', '.jpg'), ('labels', '.png')):
        paths = sorted((root / folder / split).iterdir())
        assert [path.name for path in paths] == [name + suffix for name in listed]
        for path in paths:
            picture = Image.open(path)
            assert (picture.mode, picture.size) == ('L', (scenes.SIDE, scenes.SIDE))
    assert {(i['width'], i['height']) for i in contents['images']} == {(scenes.SIDE,) * 2}


@pytest.mark.parametrize('split', SPLITS)
def test_objects_lie_on_one_background_and_do_not_overlap(root, split):
    things = [_index(name) for name in scenes.THINGS]
    backgrounds = set()
    for labels, objects in _scenes(root, split):
        assert 2 <= len(objects) <= 5
        assert {found['label'] for found in objects} <= set(things)
        # An object that covered a part of another would take pixels from it.
        for thing in things:
            area = sum(found['area'] for found in objects if found['label'] == thing)
            assert area == np.count_nonzero(labels == thing)
        (background,) = np.setdiff1d(labels, things)
        backgrounds.add(scenes.SCENE_CLASSES[background])
    assert backgrounds == set(scenes.STUFF)


@pytest.mark.parametrize('split', SPLITS)
def test_polygons_are_the_objects_of_the_label_map(root, split):
    coding = pytest.importorskip('pycocotools.mask')
    for labels, objects in _scenes(root, split):
        for found in objects:
            (polygon,) = found['segmentation']
            assert min(polygon) >= 0 and max(polygon) <= scenes.SIDE
            drawn = coding.decode(coding.frPyObjects([polygon], scenes.SIDE, scenes.SIDE))
            drawn = drawn[..., 0].astype(bool)
            left, top, width, height = found['bbox']
            box = np.zeros_like(drawn)
            box[top : top + height, left : left + width] = True
            # Two objects of a class may touch: theirs are the pixels in or near the polygon.
            own = (labels == found['label']) & box & _grown(drawn)
            assert own.sum() == pytest.approx(found['area'], rel=0.05)
            assert (own & drawn).sum() / (own | drawn).sum() > 0.95
            assert own[top].any() and own[top + height - 1].any()
            assert own[:, left].any() and own[:, left + width - 1].any()


def test_bbox_holds_every_pixel_of_the_objects(root):
    for labels, objects in _scenes(root, 'train'):
        outside = np.ones_like(labels, bool)
        for found in objects:
            left, top, width, height = found['bbox']
            outside[top : top + height, left : left + width] = False
        assert not np.isin(labels[outside], [*map(_index, scenes.THINGS)]).any()


def test_each_pixel_shows_the_class_of_its_label(as_is):
    regions = {n: Image.new('L', (200, 200), 10 * _index(n)) for n in scenes.SCENE_CLASSES}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        picture, labels, _ = scenes.compose_scene(regions, 'moon', rng)
        assert np.array_equal(picture, 10 * labels)


def test_train_and_val_show_pixels_of_disjoint_regions(tmp_path, as_is, monkeypatch):
    """Photographs that are black where train is cut from, white where test is."""

    def paint(surface, split, mode):
        return Image.new('L', (200, 200), {'train': 0, 'test': 255}[split])

    monkeypatch.setattr(scenes, 'open_region', paint)
    scenes.write_builtin_scenes(tmp_path, {'train': 3, 'val': 3})
    for split, level in (('train', 0), ('val', 255)):
        for path in (tmp_path / 'images' / split).iterdir():
            assert set(np.unique(Image.open(path))) == {level}


def test_each_texture_has_an_exposure_of_its_own():
    noise = np.random.default_rng(0).integers(60, 120, (200, 200))
    dark, bright = (
        {n: Image.fromarray((noise + level).astype(np.uint8)) for n in scenes.SCENE_CLASSES}
        for level in (0, 100)
    )
    # Not only the scene as a whole: the objects are as bright on any background.
    mixed = {**dark, 'moon': bright['moon']}
    pictures = [
        scenes.compose_scene(regions, 'moon', np.random.default_rng(1))[0].astype(int)
        for regions in (dark, bright, mixed)
    ]
    assert abs(pictures[0] - pictures[1]).max() <= 1
    assert abs(pictures[0] - pictures[2]).max() <= 1


@pytest.mark.parametrize('side', [28, 64, 128])
def test_textures_have_the_zoom_of_the_builtin_pictures(as_is, side):
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    rng = np.random.default_rng(0)
    steps = [np.ptp(pictures.cut_texture(ramp, side, rng).astype(int)) / side for _ in range(100)]
    smallest, largest = (cut / pictures.SIDE for cut in pictures._CUT_SIDES)
    assert smallest - 0.05 < min(steps) < smallest + 0.1
    assert largest - 0.15 < max(steps) < largest + 0.05


def test_every_region_has_room_for_a_background():
    rng = np.random.default_rng(0)
    for surface in pictures.SURFACES.values():
        for split in ('train', 'test'):
            region = pictures.open_region(surface, split)
            assert pictures.cut_texture(region, scenes.SIDE, rng).shape == (scenes.SIDE,) * 2


def test_same_scenes_every_time_and_no_two_alike(root, tmp_path):
    scenes.write_builtin_scenes(tmp_path / 'same', FEW)
    written = _contents(root)
    assert _contents(tmp_path / 'same') == written
    labels = [content for name, content in written.items() if name.startswith('labels')]
    assert len(set(labels)) == len(labels)


def test_more_scenes_leave_the_first_as_they_are(root, tmp_path):
    scenes.write_builtin_scenes(tmp_path, {'train': 2})
    first = {name: c for name, c in _contents(tmp_path).items() if not name.endswith('.json')}
    assert len(first) == 4 and first.items() <= _contents(root).items()


def test_scenes_in_colour_are_the_grey_ones_in_colour(root, tmp_path):
    scenes.write_builtin_scenes(tmp_path, {'val': 1}, 'RGB')
    assert Image.open(tmp_path / 'images' / 'val' / '000.jpg').mode == 'RGB'
    grey, colour = (folder / 'labels' / 'val' / '000.png' for folder in (root, tmp_path))
    assert grey.read_bytes() == colour.read_bytes()


def test_scenes_are_written_once_and_whole(tmp_path, monkeypatch):
    root = tmp_path / 'data' / 'scenes'
    monkeypatch.setattr(scenes, 'SCENES', {'train': 2, 'val': 1})
    compose = scenes.compose_scene

    def stop_at_val(regions, background, rng):
        if any(tmp_path.rglob('instances_train.json')):
            raise KeyboardInterrupt
        return compose(regions, background, rng)

    with monkeypatch.context() as broken:
        broken.setattr(scenes, 'compose_scene', stop_at_val)
        with pytest.raises(KeyboardInterrupt):
            scenes.ensure_builtin_scenes(root)
    assert list(root.parent.iterdir()) == []
    scenes.ensure_builtin_scenes(root)
    written = _contents(root)
    assert len(written) == 2 * 3 + 2
    monkeypatch.setattr(scenes, 'compose_scene', stop_at_val)
    scenes.ensure_builtin_scenes(root)
    assert _contents(root) == written and list(root.parent.iterdir()) == [root]
