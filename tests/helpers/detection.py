"""The configs of detection, by protocol and size."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'benchmarks' / 'detection'
QUICKSTART = FOLDER / 'quickstart.py'
RGB = FOLDER / 'vit-tiny-p8_fpn_mask-rcnn_rgb.py'
VITDET = {
    size: FOLDER / f'vit-{size}-p16_vitdet_mask-rcnn_32xb2-amp-lsj-100e_coco.py'
    for size in ('small', 'base', 'large')
}
FPN = {size: FOLDER / f'vit-{size}-p16_fpn_mask-rcnn_8xb2-amp-1x_coco.py' for size in VITDET}
HYBRID = sorted(FOLDER.glob('hybrid-*.py'))
FULL_SIZE = [*VITDET.values(), *FPN.values()]


def stem(path):
    """Name of a config as a test's id."""
    return path.stem
