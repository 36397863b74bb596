"""The tutorial's notebook runs from its first cell to its last."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from cmae_mm.demo import pictures

NOTEBOOK = Path(__file__).parents[2] / 'docs' / 'tutorial.ipynb'


def code_cells():
    cells = json.loads(NOTEBOOK.read_text())['cells']
    return [cell for cell in cells if cell['cell_type'] == 'code']


def test_every_cell_runs_after_those_before_it(tmp_path, monkeypatch):
    monkeypatch.setenv('TUTORIAL_QUICK', '1')
    monkeypatch.setenv('TUTORIAL_WORK_DIR', str(tmp_path))
    monkeypatch.setattr(pictures, 'PICTURES_PER_CLASS', {'train': 10, 'test': 2})
    monkeypatch.setattr(plt, 'show', lambda: plt.close('all'))
    names = {'__name__': '__main__'}
    for number, cell in enumerate(code_cells()):
        exec(compile(''.join(cell['source']), f'code cell {number}', 'exec'), names)
    assert names['checkpoint'].is_file() and names['checkpoint'].parent.parent == tmp_path
    assert names['before']['knn'] != names['after']['knn']
    loaded = names['classifier'].backbone.state_dict()
    trained = names['runner'].model.backbone.state_dict()
    assert all(loaded[name].equal(trained[name]) for name in loaded.keys() & trained.keys())
    assert loaded.keys() - trained.keys() == {'ln2.weight', 'ln2.bias'}  # of the classifier
    assert 0 <= names['top1'] <= 100


def test_it_holds_no_outputs():
    assert code_cells()
    assert not [cell for cell in code_cells() if cell['outputs'] or cell['execution_count']]
