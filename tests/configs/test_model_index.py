"""The model index is valid, and has no figure that a page of the docs lacks."""

import re
from pathlib import Path

import pytest
import yaml
from mmpretrain import list_models
from mmpretrain.apis.model import ModelHub
from modelindex.load_model_index import load
from modelindex.models.Result import Result

from tests.helpers.configs import read_config

ROOT = Path(__file__).parents[2]
INDEX = ROOT / 'model-index.yml'
FILES = [ROOT / path for path in yaml.safe_load(INDEX.read_text())['Import']]
# as they are written: modelindex itself keeps of a figure what its format names
MODELS = {
    model['Name']: model for file in FILES for model in yaml.safe_load(file.read_text())['Models']
}
CONFIGS = sorted((ROOT / 'configs').glob('[!_]*/**/*.py'))
every_model = pytest.mark.parametrize('model', MODELS.values(), ids=MODELS)


def figures(model):
    """Rows of what was measured and of what is reported."""
    return [*(model['Results'] or []), *model.get('Reported', [])]


def numbers(row):
    """A row's figures as a page writes them."""
    values = row['Metrics'].values()
    return [str(x) for value in values for x in (value if isinstance(value, list) else [value])]


def reported_in(header):
    """Figures of a header's field, which may go on in its next lines."""
    field = re.search(r'^# Reported: .+?(?=^# Measured)', header, re.MULTILINE | re.DOTALL)
    return set(re.findall(r'(?<![\d.])\d\d\.\d+(?!\d)', field[0])) if field else set()


def test_the_index_is_valid_and_names_every_metafile():
    assert load(str(INDEX)).check(silent=True) == []
    assert sorted(FILES) == sorted((ROOT / 'configs').rglob('metafile.yml'))
    assert len(MODELS) == len(load(str(INDEX)).models)


@every_model
def test_a_model_has_a_config_and_figures(model):
    assert (ROOT / model['Config']).is_file()
    assert figures(model) or model['Downstream']
    assert 'Weights' not in model


@every_model
def test_a_figure_is_complete_and_stands_on_its_page(model):
    for row in figures(model):
        assert Result.from_dict(row).check(silent=True) == []
        assert set(row) <= {'Task', 'Dataset', 'Metrics', 'Pre-training', 'Source', 'Documented'}
        page = (ROOT / row['Documented']).read_text()
        for number in numbers(row):
            assert re.search(rf'(?<![\d.]){re.escape(number)}(?!\d|\.\d)', page), number


@every_model
def test_what_others_report_has_a_source_and_is_no_result(model):
    assert all('Source' not in row for row in model['Results'] or [])
    assert all(row['Source'] for row in model.get('Reported', []))
    header = (ROOT / model['Config']).read_text().split('_base_ = ')[0]
    measured = '# Measured: see docs/' in header
    assert measured == bool(model['Results'])


@every_model
def test_figures_and_the_configs_that_they_start_from_name_each_other(model):
    starts = {start for row in figures(model) for start in row.get('Pre-training', [])}
    named = {name for name, other in MODELS.items() if model['Name'] in other.get('Downstream', [])}
    assert named == starts


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_config_whose_header_reports_a_figure_is_listed_with_it(path):
    reported = reported_in(path.read_text().split('_base_ = ')[0])
    name = path.stem if path.stem != 'quickstart' else f'{path.parent.name}_quickstart'
    if not reported:
        return
    rows = [
        row
        for model in MODELS.values()
        for row in model.get('Reported', [])
        if model['Name'] == name or name in row.get('Pre-training', [])
    ]
    assert reported <= {number for row in rows for number in numbers(row)}


@pytest.mark.parametrize(
    'model',
    [model for model in MODELS.values() if 'benchmarks' not in model['Config']],
    ids=lambda model: model['Name'],
)
def test_metadata_of_pretraining_is_the_configs(model):
    cfg = read_config(ROOT / model['Config'])
    assert model['Metadata']['Epochs'] == cfg.train_cfg.max_epochs
    assert model['Metadata']['Batch Size'] == cfg.auto_scale_lr.base_batch_size


def test_mmpretrain_finds_the_configs_by_name(monkeypatch):
    monkeypatch.setattr(ModelHub, '_models_dict', dict(ModelHub._models_dict))
    ModelHub.register_model_index(INDEX, config_prefix=ROOT)
    listed = set(list_models('cmae*'))
    assert listed == {name for name in MODELS if name.startswith('cmae')}
    config = ModelHub.get('cmae_vit-base-p16_32xb128-amp-coslr-300e_in1k').config
    assert config.model.type == 'CMAE'
