"""The configs of segmentation, by what they are for."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'benchmarks' / 'segmentation'
HYBRID = sorted(FOLDER.glob('hybrid-*.py'))
CONFIGS = sorted(set(FOLDER.glob('*.py')) - set(HYBRID))
ADE20K = [path for path in CONFIGS if 'ade20k' in path.stem]
TRAINED = [path for path in ADE20K if not path.stem.endswith('-ms')]
TESTED = [path for path in ADE20K if path.stem.endswith('-ms')]
QUICKSTART = FOLDER / 'quickstart.py'
PROTOCOL = 'upernet_8xb2-amp-160k_ade20k-512x512'


def named(path):
    """Name of a config as a test's id."""
    return path.stem
