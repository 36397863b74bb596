"""Every config says how to run it, and the docs and the configs name each other."""

import itertools
import re
from pathlib import Path

import pytest

from tests.helpers.configs import PRETRAINING, read_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/**/*.py'))
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def named(path):
    return str(path.relative_to(ROOT))


every_config = pytest.mark.parametrize('path', CONFIGS, ids=named)


def header_of(path):
    text = path.read_text()
    return text[: text.index('_base_ = ')]


def field(header, name):
    (value,) = re.findall(rf'^# {name}: (.+)', header, re.MULTILINE)
    return value


@every_config
def test_header_is_a_summary_then_fields_in_order(path):
    header = header_of(path)
    assert re.fullmatch(r'(#.*\n)+', header)
    fields = re.findall(r'^# (Command|Hardware|Reported|Measured): ', header, re.MULTILINE)
    assert fields in (
        ['Command', 'Hardware', 'Measured'],
        ['Command', 'Hardware', 'Reported', 'Measured'],
    )
    assert not header.startswith('# Command')


@every_config
def test_command_names_a_tool_and_its_own_config(path):
    header = header_of(path)
    assert (ROOT / field(header, 'Command').split()[0]).is_file()
    # of the command, with the lines that continue it
    configs = re.findall(r'configs/\S+\.py', header)
    quickstart = path.name == 'cmae_quickstart.py'  # its command is `make quickstart`
    assert configs == ([] if quickstart else [named(path)])


@every_config
def test_hardware_is_what_the_name_says(path):
    hardware = field(header_of(path), 'Hardware')
    if path.stem.endswith('-ms'):
        assert hardware == '1 GPU.'  # for tests; the name is that of the training
    elif batch := re.search(r'_(\d+)xb(\d+)-', path.stem):
        assert hardware.startswith(f'{batch[1]} GPUs of batch {batch[2]} (docs/launching.md')
        if path.parent.name == 'detection':
            pytest.importorskip('mmdet')  # whose configs it inherits
        cfg = read_config(path)
        assert cfg.train_dataloader.batch_size == int(batch[2])
        assert cfg.auto_scale_lr.base_batch_size == int(batch[1]) * int(batch[2])
    else:
        assert hardware in ('1 GPU.', '2 CPU cores.')


@every_config
def test_what_was_measured_is_said_or_pointed_to(path):
    header = header_of(path)
    measured = field(header, 'Measured')
    assert measured == 'not measured.' or re.fullmatch(r'see docs/\w+\.md\.', measured)
    for page in re.findall(r'docs/\w+\.md', header):
        assert (ROOT / page).is_file()
    for reported in re.findall(r'^# Reported: (.+)', header, re.MULTILINE):
        assert re.search(r'arXiv \d{4}\.\d{5}', reported)
        for figure in re.findall(r'\d\d\.\d(?!\d)', reported):
            assert any(figure in page.read_text() for page in PAGES), figure


def spelled_out(pattern):
    """'a{b,c}d*' -> 'abd*', 'acd*'."""
    parts = [part.split(',') for part in re.split(r'[{}]', pattern)]
    return [''.join(choice) for choice in itertools.product(*parts)]


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_configs_and_tools_that_a_page_names_are_there(page):
    text = page.read_text()
    for pattern in re.findall(r'configs/(?:[\w.*-]|\{[\w,]+\})+/[\w.*{},/-]*', text):
        for name in spelled_out(pattern.rstrip('.,')):
            assert list(ROOT.glob(name)), f'{pattern}: no {name}'
    for name in re.findall(r'(?<![\w/-])vit-[\w-]+\.py', text):
        assert list(ROOT.glob(f'configs/benchmarks/*/{name}')), name
    for name in re.findall(r'(?<![\w/.])tools/\w+\.(?:py|sh)', text):
        assert (ROOT / name).is_file(), name


RECIPES = (ROOT / 'docs' / 'recipes.md').read_text()


def test_recipes_list_exactly_the_configs_of_pretraining():
    patterns = re.findall(r'^\| `(configs/\S+\.py)`', RECIPES, re.MULTILINE)
    listed = [name for pattern in patterns for name in spelled_out(pattern)]
    assert sorted(listed) == [named(path) for path in PRETRAINING]


@pytest.mark.parametrize('path', PRETRAINING, ids=named)
def test_name_follows_the_pattern_of_the_recipes(path):
    assert 'RECIPE_ENCODER_GPUSxbBATCH-PRECISION-SCHEDULE-EPOCHS_DATA.py' in RECIPES
    if path.stem.endswith('_in1k'):
        assert re.fullmatch(
            r'((cmae|cmae-published|mae)_vit-(small|base|large)-p16_32xb128'
            r'|(cmae|cmae-published|convmae)_hybrid-(small|base)-p16_32xb128'
            r'|(cae|cae-pixels)_vit-(small|base|large)-p16_32xb64)'
            r'-amp-coslr-(300|800|1600)e_in1k'
            r'|(mocov3_vit-(small|base)-p16_32xb128-amp-coslr-300e'
            r'|mimco_vit-(small|base)-p16_32xb128-amp-coslr-100e)_in1k',
            path.stem,
        )
    else:  # runs on one machine, named by what they train on
        assert path.stem.endswith(('_cifar10', '_folder', '_quickstart'))
