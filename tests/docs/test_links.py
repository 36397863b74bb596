"""Links of the pages lead to a file of the repository, and to a heading that is there."""

import json
import re

import pytest

from tests.helpers.docs import PAGES, ROOT

NOTEBOOKS = sorted((ROOT / 'docs').glob('*.ipynb'))
_LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
_FENCED = re.compile(r'^( *)(```+|~~~+).*?^\1\2', re.MULTILINE | re.DOTALL)


def prose(page):
    """A page's text without code."""
    text = page.read_text()
    if page.suffix == '.ipynb':
        cells = json.loads(text)['cells']
        text = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    return re.sub(r'`[^`\n]*`', 'code', _FENCED.sub('', text))


def anchors(page):
    """Names of a page's headings, as GitHub and the site make them."""
    text = _FENCED.sub('', page.read_text())
    for heading in re.findall(r'^#+ (.+)', text, re.MULTILINE):
        words = re.sub(r'[^\w\- ]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).lower())
        yield words.strip().replace(' ', '-')


def is_broken(link, page):
    target, _, anchor = link.partition('#')
    path = (page.parent / target).resolve() if target else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in set(anchors(path))


@pytest.mark.parametrize('page', [*PAGES, *NOTEBOOKS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = [link for link in _LINK.findall(prose(page)) if '://' not in link]
    assert not [link for link in links if is_broken(link, page)]


def test_the_front_page_lists_every_page():
    front = (ROOT / 'docs' / 'index.md').read_text()
    pages = {page.stem for page in (*PAGES, *NOTEBOOKS) if page.parent == ROOT / 'docs'}
    assert pages - set(re.findall(r'^\w+$', front, re.MULTILINE)) == {'index'}


@pytest.mark.parametrize('link', ['nowhere.md', 'recipes.md#nowhere', '#nowhere', '../../x'])
def test_a_broken_link_is_seen(link):
    assert is_broken(link, ROOT / 'docs' / 'data.md')
    assert not is_broken('recipes.md#ablations', ROOT / 'docs' / 'data.md')
