"""Builds the documentation: `make docs`, into docs/_build/html.

The notebook is shown without outputs, since git has none: reading its cells as Markdown then needs
no extension that runs notebooks, and no environment that could.
"""

import json
import runpy
from pathlib import Path

from myst_parser.sphinx_ import Parser

ROOT = Path(__file__).resolve().parents[1]

project = 'cmae_mm'
release = runpy.run_path(str(ROOT / 'cmae_mm' / 'version.py'))['__version__']

extensions = [
    'myst_parser',
    'autoapi.extension',
    'sphinx.ext.napoleon',  # docstrings in Google's style
    'sphinx_copybutton',
]
napoleon_use_ivar = True  # else attributes would be listed twice, here and by autoapi
napoleon_use_rtype = False  # what precedes a colon in `Returns:` is seldom a type alone
exclude_patterns = ['_build']
myst_heading_anchors = 3  # links to headings work as on GitHub
myst_enable_extensions = ['colon_fence']

html_theme = 'furo'
html_show_copyright = False
html_title = f'cmae_mm {release}'
html_static_path = ['static']
html_css_files = ['site.css']
html_theme_options = {'top_of_page_buttons': []}

autoapi_dirs = [str(ROOT / 'cmae_mm')]
autoapi_root = 'api'
autoapi_options = ['members', 'show-inheritance']
autoapi_own_page_level = 'module'
autoapi_add_toctree_entry = False  # the front page has it
suppress_warnings = [
    'autoapi.python_import_resolution',  # of `a, b = ...`, which its reader does not follow
    'ref.python',  # a type variable that has the name of a class elsewhere
]


class NotebookParser(Parser):
    """Shows a notebook without outputs: its Markdown, and its code as blocks."""

    supported = ('ipynb',)

    def parse(self, inputstring: str, document) -> None:
        cells = json.loads(inputstring)['cells']
        super().parse('\n\n'.join(map(markdown_of, cells)), document)


def markdown_of(cell: dict) -> str:
    """Return a cell of a notebook as Markdown."""
    source = ''.join(cell['source'])
    return f'```python\n{source}\n```' if cell['cell_type'] == 'code' else source


def setup(app) -> None:
    """Read notebooks, too."""
    app.add_source_suffix('.ipynb', 'ipynb')
    app.add_source_parser(NotebookParser)
