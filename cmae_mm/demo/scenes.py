"""Scenes composed of the built-in photographs, with dense labels, to segment.

A scene is a picture, grey unless asked for in colour: a background of one texture with a few
objects of other textures.
:mod:`.pictures` describes the classes, their photographs and licences. As there, the scenes of
``train`` and ``val`` are composed from disjoint regions of the photographs, textures have the
zoom of the built-in pictures, and each has a random exposure, so that only structure, and
neither brightness nor outline, identifies the class.

The folder has the usual formats::

    images/{train,val}/NNN.jpg    SIDE x SIDE pixels
    labels/{train,val}/NNN.png    the same size, index into SCENE_CLASSES, uint8
    instances_{train,val}.json    the objects as COCO has them: classes are THINGS
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from cmae_mm.compat import from_extra

from .pictures import SURFACES, cut_texture, open_region, write_once

SIDE = 128
SCENES = {'train': 240, 'val': 80}
SCENE_CLASSES = tuple(sorted(SURFACES))
# Even a small piece of these can mostly be recognised; a piece of a brick or of the sky between
# stars cannot.
THINGS = ('gravel', 'leaves', 'petals', 'print', 'temple')
STUFF = tuple(name for name in SCENE_CLASSES if name not in THINGS)

_REGIONS = {'train': 'train', 'val': 'test'}
_OBJECTS = (2, 5)
# Of the circle that an object's outline lies in, in pixels.
_DIAMETERS = (28, 64)
# After so many attempts a scene is started over: the first objects may leave no room.
_TRIES = 50
# Not 0 as in the built-in images: their generators are seeded with three numbers, too.
_SEED = 1


def ensure_builtin_scenes(root: str | Path, mode: str = 'L') -> None:
    """Write the scenes unless the folder exists.

    It appears atomically, see :func:`~.pictures.write_once`.

    Args:
        root: the folder.
        mode: Pillow's, 'L' (grey) or 'RGB'.

    Raises:
        FileNotFoundError: a package, or a photograph in it, is missing.
    """
    write_once(root, lambda folder: write_builtin_scenes(folder, SCENES, mode))


def write_builtin_scenes(root: str | Path, scenes: dict[str, int], mode: str = 'L') -> None:
    """Write scenes and their labels; every call writes the same ones.

    Files of the same name are overwritten. In the JSON files, ``file_name`` is relative
    to ``images/<split>``, and both ``bbox`` and ``area`` are those of the pixels that
    the object has in the label map.

    Args:
        root: folder to write to; made if it is missing.
        scenes: how many of them, by split, ``train`` and ``val``.
        mode: Pillow's, 'L' (grey) or 'RGB'.

    Raises:
        FileNotFoundError: a package, or a photograph in it, is missing.
    """
    root = Path(root)
    for split, count in scenes.items():
        regions = {
            name: open_region(SURFACES[name], _REGIONS[split], mode) for name in SCENE_CLASSES
        }
        for folder in ('images', 'labels'):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        images: list[dict] = []
        annotations: list[dict] = []
        for index in range(count):
            # A generator a scene: more scenes leave the first ones as they are.
            rng = np.random.default_rng((_SEED, split == 'val', index))
            # In turn, so that few scenes have all backgrounds.
            background = STUFF[index % len(STUFF)]
            picture, labels, objects = compose_scene(regions, background, rng)
            name = f'{index:03d}'
            Image.fromarray(picture).save(root / 'images' / split / f'{name}.jpg', quality=95)
            Image.fromarray(labels).save(root / 'labels' / split / f'{name}.png')
            images.append(dict(id=index, file_name=f'{name}.jpg', width=SIDE, height=SIDE))
            for found in objects:
                annotations.append(dict(id=len(annotations) + 1, image_id=index, **found))
        contents = dict(
            info=dict(description=f'Scenes of built-in photographs, {split}'),
            licenses=[],
            images=images,
            categories=[dict(id=number, name=name) for number, name in enumerate(THINGS, 1)],
            annotations=annotations,
        )
        (root / f'instances_{split}.json').write_text(json.dumps(contents))


def compose_scene(
    regions: dict[str, Image.Image], background: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """One scene.

    Args:
        regions: photographs to cut textures from, by class, all of the same mode.
        background: its class.
        rng: what is random comes from it.

    Returns:
        levels, [SIDE, SIDE] or [SIDE, SIDE, 3], uint8; classes as indices into ``SCENE_CLASSES``,
        [SIDE, SIDE], uint8; for each object its COCO annotation, less the ids that it
        has in a file.
    """
    picture = cut_texture(regions[background], SIDE, rng)
    labels = np.full((SIDE, SIDE), SCENE_CLASSES.index(background), np.uint8)
    objects = []
    for polygon in _place(int(rng.integers(_OBJECTS[0], _OBJECTS[1] + 1)), rng):
        thing = THINGS[rng.integers(len(THINGS))]
        rows, columns = np.nonzero(_mask(polygon))
        top, left = rows.min(), columns.min()
        height, width = rows.max() - top + 1, columns.max() - left + 1
        texture = cut_texture(regions[thing], int(max(height, width)), rng)
        picture[rows, columns] = texture[rows - top, columns - left]
        labels[rows, columns] = SCENE_CLASSES.index(thing)
        objects.append(
            dict(
                category_id=THINGS.index(thing) + 1,
                bbox=[int(left), int(top), int(width), int(height)],
                area=len(rows),
                iscrowd=0,
                segmentation=[polygon.ravel().tolist()],
            )
        )
    return picture, labels, objects


def _place(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Polygons inside the picture, each [N, 2], x and y; no two share a pixel."""
    while True:
        taken, polygons = np.zeros((SIDE, SIDE), bool), []
        for _ in range(_TRIES):
            polygon = _outline(rng) * rng.uniform(*_DIAMETERS) / 2  # [N, 2], around (0, 0)
            low, high = polygon.min(axis=0), polygon.max(axis=0)
            polygon += rng.uniform(-low, SIDE - high)
            # As the JSON file has it, so that its masks are exactly those of the labels.
            polygon = polygon.round(2)
            mask = _mask(polygon)
            if not (mask & taken).any():
                taken |= mask
                polygons.append(polygon)
            if len(polygons) == count:
                return polygons


def _outline(rng: np.random.Generator) -> np.ndarray:
    """An ellipse, rectangle, triangle or irregular polygon in the unit circle, [N, 2]."""
    kind = rng.integers(4)
    if kind == 0:
        points = np.exp(2j * np.pi / 24 * np.arange(24))
        points.imag *= rng.uniform(0.5, 1)
    elif kind == 1:
        half = rng.uniform(np.pi / 8, np.pi / 4)
        points = np.exp(1j * np.array([half, np.pi - half, np.pi + half, -half]))
    elif kind == 2:
        points = np.exp(2j * np.pi / 3 * (np.arange(3) + rng.uniform(-0.2, 0.2, 3)))
    else:
        corners = int(rng.integers(6, 10))
        radii = rng.uniform(0.5, 1, corners)
        steps = np.arange(corners) + rng.uniform(-0.3, 0.3, corners)
        points = radii / radii.max() * np.exp(2j * np.pi / corners * steps)
    points = points * np.exp(2j * np.pi * rng.random())
    return np.stack([points.real, points.imag], axis=1)


def _mask(polygon: np.ndarray) -> np.ndarray:
    """Pixels whose centre is inside, [SIDE, SIDE]; a pixel spans from x to x + 1."""
    with from_extra('evaluation'):
        from skimage.draw import polygon2mask

    return polygon2mask((SIDE, SIDE), polygon[:, ::-1] - 0.5)
