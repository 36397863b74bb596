"""The files for contributors agree with each other."""

import re
from pathlib import Path

import yaml

from cmae_mm.version import __version__

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())


def test_pre_commit_runs_the_linters_of_make_lint():
    config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    hooks = [hook for repository in config['repos'] for hook in repository['hooks']]
    lines = (ROOT / 'requirements' / 'lint.txt').read_text().splitlines()
    pinned = {line.split('#')[0].strip() for line in lines} - {''}
    used = {pin for hook in hooks for pin in hook['additional_dependencies']}
    assert {'ruff', 'mypy'} < {pin.split('==')[0] for pin in used} and used <= pinned


def test_the_workflow_runs_every_part_of_ci_with_least_rights():
    parts = re.search(r'\$\{\*:-(.+?)\}', (ROOT / '.ci' / 'run').read_text())[1].split()
    assert set(parts) <= set(WORKFLOW['jobs']['check']['strategy']['matrix']['part'])
    assert WORKFLOW['permissions'] == {'contents': 'read'}
    for job in WORKFLOW['jobs'].values():
        assert 'permissions' not in job
        used = [step['uses'] for step in job['steps'] if 'uses' in step]
        assert all(re.fullmatch(r'actions/[\w-]+@v\d+', action) for action in used)


def test_the_version_is_the_same_everywhere():
    changelog = (ROOT / 'CHANGELOG.md').read_text()
    assert re.search(r'^## \[(.+?)\]', changelog, re.MULTILINE)[1] == __version__
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == __version__
