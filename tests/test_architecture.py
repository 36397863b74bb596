"""Rooms use only what docs/architecture.md allows them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'cmae_mm'
PAGE = (ROOT / 'docs' / 'architecture.md').read_text()
# The package's own front door, which imports every room to register its parts.
FRONT = {'__init__', '__main__', 'version', 'models'}
WITHOUT_RUNNERS = ('models', 'views', 'datasets', 'checkpoints')


def allowed_by_the_page():
    """Rooms that each room may use, by its name."""
    table = PAGE[PAGE.index('| room |') :].split('\n\n')[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table]
    return {room.strip('`'): set(re.findall(r'`([\w/]+)`', uses)) for room, _, uses in rows}


def room_of(module):
    """Room of a dotted name inside the package: 'models/heads', 'views', ..."""
    parts = module.split('.')[1:]
    return '/'.join(parts[:2] if parts[:1] == ['models'] else parts[:1]) or '__init__'


def imports(path):
    """Dotted names of the modules that a file imports, absolute."""
    package = ['cmae_mm', *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = '.'.join([*start, *filter(None, [node.module])])
            yield module
            yield from (f'{module}.{alias.name}' for alias in node.names)


def is_module(name):
    path = PACKAGE.joinpath(*name.split('.')[1:])
    return name.startswith('cmae_mm.') and (path.is_dir() or path.with_suffix('.py').is_file())


FILES = sorted(PACKAGE.rglob('*.py'))


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_uses_only_the_rooms_beside_it_on_the_page(path):
    own = room_of('.'.join(['cmae_mm', *path.relative_to(PACKAGE).with_suffix('').parts]))
    own = own.removesuffix('/__init__')
    if own in FRONT:
        return
    allowed = allowed_by_the_page()[own]
    used = {room_of(name) for name in imports(path) if is_module(name)} - {own, '__init__'}
    assert {room for room in used if room not in allowed and room.split('/')[0] not in allowed} == (
        set()
    )


def test_the_page_names_every_room():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.name != '__pycache__'} - FRONT
    rooms |= {f'models/{path.name}' for path in (PACKAGE / 'models').iterdir() if path.is_dir()}
    assert set(allowed_by_the_page()) == {room for room in rooms if '__' not in room}


@pytest.mark.parametrize('room', WITHOUT_RUNNERS)
def test_rooms_for_any_training_loop_know_no_runner(room):
    for path in FILES:
        if room_of('.'.join(['cmae_mm', *path.relative_to(PACKAGE).parts])).startswith(room):
            assert not [name for name in imports(path) if name.startswith('mmengine.runner')], path


def test_a_forbidden_import_is_seen(tmp_path, monkeypatch):
    path = PACKAGE / 'views.py'
    monkeypatch.setattr(Path, 'read_text', lambda self: 'from .engine import ranks\nimport os')
    assert {room_of(name) for name in imports(path) if is_module(name)} == {'engine'}
