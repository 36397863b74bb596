"""What the docs give to copy, run as it stands there."""

import re
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).parents[2]


def python_blocks(name):
    """The Python code in a page of the docs."""
    return re.findall(r'```python\n(.*?)```', (ROOT / 'docs' / name).read_text(), re.DOTALL)


def config_from_text(text, folder):
    """A config that is put into a folder instead of the project's root."""
    path = folder / 'own.py'
    path.write_text(text.replace("_base_ = '", f"_base_ = '{ROOT}/"))
    return Config.fromfile(path)
