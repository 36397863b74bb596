"""Real photographs from installed packages, cut into a small labelled data set.

Nothing is downloaded: the photographs come in the wheels of scikit-image and
scikit-learn. A class is what a picture shows: brick, fur, leaves, print. The pictures
are small squares; those of ``train`` and ``test`` are cut from disjoint regions of the
photographs, so that no pixel of a test picture is in a training picture. Both show the same
walls and lawns, though: they measure how well structure is recognised, not how well that
generalises to other photographs.

Some of the photographs are grey, and their exposures differ, so that colour or brightness
alone would identify the photograph. Therefore all pictures are grey, with a random brightness
and contrast. With ``mode='RGB'`` they keep their hues: not a test of features, but colour
pictures to train on.

Sources and licences, as the packages state them:

- scikit-image: brick, grass, gravel, chelsea (S. van der Walt), coffee (R. Michetti),
  retina (M. Häggström): CC0. coins (Brooklyn Museum), ihc (CMMI): no known copyright
  restrictions. hubble_deep_field (NASA): public domain. moon, page: none stated.
- scikit-learn: china (danielbuechele), flower (vultilion): CC BY 2.0.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmpretrain.registry import DATASETS
from PIL import Image

from cmae_mm.datasets import PretrainDataset

Box = tuple[int, int, int, int]

SIDE = 64
PICTURES_PER_CLASS = {'train': 300, 'test': 100}
# Sides of the squares that are cut out, in pixels of the photograph.
_CUT_SIDES = (40, 88)
_SEED = 0


class Surface(NamedTuple):
    """Where a class appears.

    ``train`` and ``test`` are disjoint regions of the photograph, in pixels: left,
    top, right, bottom (the last two excluded).
    """

    package: str
    file: str
    train: Box
    test: Box


SURFACES: dict[str, Surface] = {
    'brick': Surface('skimage', 'data/brick.png', (0, 0, 300, 512), (300, 0, 512, 512)),
    'coins': Surface('skimage', 'data/coins.png', (0, 0, 230, 303), (230, 0, 384, 303)),
    'fur': Surface('skimage', 'data/chelsea.png', (40, 60, 225, 300), (225, 10, 345, 240)),
    'grass': Surface('skimage', 'data/grass.png', (0, 0, 300, 512), (300, 0, 512, 512)),
    'gravel': Surface('skimage', 'data/gravel.png', (0, 0, 300, 512), (300, 0, 512, 512)),
    'leaves': Surface(
        'sklearn',
        'datasets/images/china.jpg',
        (340, 315, 640, 427),
        (0, 335, 205, 427),
    ),
    'moon': Surface('skimage', 'data/moon.png', (0, 0, 512, 300), (0, 300, 512, 512)),
    'petals': Surface(
        'sklearn',
        'datasets/images/flower.jpg',
        (205, 110, 308, 320),
        (308, 110, 410, 320),
    ),
    'print': Surface('skimage', 'data/page.png', (0, 0, 230, 191), (230, 0, 384, 191)),
    'retina': Surface('skimage', 'data/retina.jpg', (300, 300, 780, 1100), (780, 300, 1100, 1100)),
    'stars': Surface(
        'skimage', 'data/hubble_deep_field.jpg', (0, 0, 600, 872), (600, 0, 1000, 872)
    ),
    'temple': Surface(
        'sklearn',
        'datasets/images/china.jpg',
        (105, 90, 222, 285),
        (222, 90, 330, 285),
    ),
    'tissue': Surface('skimage', 'data/ihc.png', (0, 0, 300, 512), (300, 0, 512, 512)),
    'wood': Surface('skimage', 'data/coffee.png', (490, 0, 600, 400), (0, 280, 90, 400)),
}


@DATASETS.register_module()
class BuiltinImages(PretrainDataset):
    """The built-in images to pre-train on, written when first used.

    Args:
        data_root: folder of the images, created if missing.
        mode: Pillow's, 'L' (grey) or 'RGB', of the images that are written.
        **kwargs: of :class:`~cmae_mm.datasets.PretrainDataset`.
    """

    def __init__(self, data_root: str, mode: str = 'L', **kwargs) -> None:
        ensure_builtin_images(data_root, mode)
        super().__init__(data_root=data_root, **kwargs)


def ensure_builtin_images(root: str | Path, mode: str = 'L') -> None:
    """Write the built-in images unless the folder exists.

    It appears atomically, see :func:`write_once`.

    Args:
        root: the folder.
        mode: Pillow's, 'L' (grey) or 'RGB'.

    Raises:
        FileNotFoundError: a package, or a photograph in it, is missing.
    """
    write_once(root, lambda folder: write_builtin_images(folder, mode))


def write_once(root: str | Path, write: Callable[[Path], None]) -> None:
    """Write a folder unless it exists.

    It appears atomically, so that several processes may call this at the same time, and an
    interrupted call leaves nothing behind that looks complete.

    Args:
        root: the folder.
        write: called with the folder to write to.
    """
    root = Path(root)
    if root.is_dir():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        folder = Path(scratch) / root.name
        write(folder)
        try:
            folder.rename(root)
        except OSError:
            if not root.is_dir():  # else another process was faster
                raise


def write_builtin_images(root: str | Path, mode: str = 'L') -> None:
    """Write the pictures as ``root/{train,test}/<class>/*.jpg``.

    ``SIDE`` x ``SIDE`` JPEGs, ``PICTURES_PER_CLASS`` per class; every call writes the same
    ones. Files of the same name are overwritten.

    Args:
        root: folder to write to; created if missing.
        mode: Pillow's, 'L' (grey) or 'RGB'.

    Raises:
        FileNotFoundError: a package, or a photograph in it, is missing.
    """
    for number, (name, surface) in enumerate(sorted(SURFACES.items())):
        for split, count in PICTURES_PER_CLASS.items():
            folder = Path(root) / split / name
            folder.mkdir(parents=True, exist_ok=True)
            # One generator per folder: adding a class leaves the other pictures unchanged.
            rng = np.random.default_rng((_SEED, number, split == 'test'))
            region = open_region(surface, split, mode)
            for index in range(count):
                picture = _cut(region, rng)
                picture.save(folder / f'{index:03d}.jpg', quality=95)


def photograph_path(surface: Surface) -> Path:
    """Return the path of the photograph in its installed package.

    Raises:
        FileNotFoundError: the package or its photograph is missing.
    """
    spec = importlib.util.find_spec(surface.package)
    if spec is None or spec.submodule_search_locations is None:
        raise FileNotFoundError(
            f'the built-in images need the package {surface.package!r}, which is not '
            "installed: pip install 'cmae_mm[evaluation]'"
        )
    path = Path(spec.submodule_search_locations[0]) / surface.file
    if not path.is_file():
        raise FileNotFoundError(
            f'the installed {surface.package!r} has no {surface.file}: install a version that '
            "has it: pip install 'cmae_mm[evaluation]'"
        )
    return path


def open_region(surface: Surface, split: str, mode: str = 'L') -> Image.Image:
    """Return the surface's region of a split, ``train`` or ``test``, in a mode of Pillow's.

    Raises:
        FileNotFoundError: the package or its photograph is missing.
    """
    photograph = Image.open(photograph_path(surface)).convert(mode)
    return photograph.crop(getattr(surface, split))


def cut_texture(region: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random square of the region: any position, zoom, rotation, flip and exposure.

    The range of zooms is that of the built-in pictures, whatever the side.

    Returns:
        levels, [side, side] or [side, side, 3] as the region's mode is, uint8.

    Raises:
        ValueError: the region is too small even for the highest zoom.
    """
    smallest, largest = (round(cut * side / SIDE) for cut in _CUT_SIDES)
    # In a small region only small squares fit.
    cut = int(rng.integers(smallest, min(largest, *region.size) + 1))
    left = int(rng.integers(region.width - cut + 1))
    top = int(rng.integers(region.height - cut + 1))
    box = (left, top, left + cut, top + cut)
    square = region.resize((side, side), Image.Resampling.BICUBIC, box)
    pixels = np.rot90(np.asarray(square, np.float32), rng.integers(4))
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return _expose(pixels, rng)


def _cut(region: Image.Image, rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(cut_texture(region, SIDE, rng))


def _expose(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Replace brightness and contrast by random ones; uint8."""
    # plus 8 grey levels, so that a flat piece of sky does not become noise
    contrast = rng.uniform(25, 55) / (pixels.std() + 8)
    pixels = (pixels - pixels.mean()) * contrast + rng.uniform(90, 165)
    return pixels.clip(0, 255).round().astype(np.uint8)
