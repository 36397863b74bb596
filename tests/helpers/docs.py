"""What the docs give to copy, run as it stands there."""

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from mmengine.config import Config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
_BLOCK = re.compile(
    r'(?:^ *<!-- (?P<mark>[^\n]*) -->\n)?'
    r'^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```',
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        line: of the page at which its text begins.
        language: after the fence, '' if there is none.
        text: without the fences.
        mark: of the comment on the line before, such as 'run' or 'not run: needs detectron2'.
    """

    line: int
    language: str
    text: str
    mark: str

    @property
    def is_config(self):
        """Whether it inherits a config."""
        return '_base_ = ' in self.text


def blocks(page, *languages):
    """The blocks of a page in these languages."""
    text = page.read_text()
    found = [
        Block(
            text[: match.start('text')].count('\n') + 1,
            match['language'],
            dedent(match['text']),
            match['mark'] or '',
        )
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if block.language in languages]


def python_blocks(name):
    """The Python code in a page of the docs."""
    return [block.text for block in blocks(ROOT / 'docs' / name, 'python')]


def config_from_text(text, folder):
    """A config that is put into a folder instead of the project's root."""
    path = folder / 'own.py'
    path.write_text(re.sub(r"_base_ = '(?!\w+::)", f"_base_ = '{ROOT}/", text))
    return Config.fromfile(path)
