"""The configs of classification, by encoder and task."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'benchmarks' / 'classification'
DOCS = (ROOT / 'docs' / 'classification.md').read_text()
QUICKSTART = FOLDER / 'quickstart.py'
CIFAR10 = FOLDER / 'vit-tiny-p4_cifar10.py'
HYBRID = sorted(FOLDER.glob('hybrid-*.py'))
CONFIGS = sorted(set(FOLDER.glob('*.py')) - {QUICKSTART, CIFAR10, *HYBRID})
WIDTHS = dict(small=(384, 12), base=(768, 12), large=(1024, 24))


def encoder_and_task(path):
    size = re.match(r'vit-(\w+)-p16_', path.stem)[1]
    task = re.search(r'pt1600e|partial|linear|attentive|10pct|1pct|cae', path.stem)
    return size, task[0] if task else 'whole'


def named(path):
    return ' '.join(encoder_and_task(path))


every_config = pytest.mark.parametrize('path', CONFIGS, ids=named)
