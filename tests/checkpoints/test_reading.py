import argparse
import datetime
import os
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import PurePosixPath

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.logging import HistoryBuffer

from cmae_mm.checkpoints import load_checkpoint, load_state_dict, require_fit


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('zipped', [True, False])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, zipped):
    marker, path = tmp_path / 'executed', tmp_path / 'evil.pth'
    torch.save(
        {'state_dict': {'a': torch.ones(2)}, 'meta': Attack(marker)},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    message = 'refused: unpickling it would call posix.mkdir.*nothing was executed.*.safet'
    with pytest.raises(ValueError, match=message) as error:
        load_state_dict(path)
    assert '\n' not in str(error.value)
    assert not marker.exists()


def test_reads_what_mmengine_and_mae_write(tmp_path):
    tensors = {
        'weight': torch.randn(3, 2),
        'half': torch.randn(2).half(),
        'parameter': torch.nn.Parameter(torch.randn(2)),
    }
    for name, key, other in (
        ('mmengine.pth', 'state_dict', {'message_hub': {'loss': HistoryBuffer([1.0], [1])}}),
        ('mae.pth', 'model', {'args': argparse.Namespace(lr=1.0)}),
    ):
        torch.save({key: tensors, **other}, tmp_path / name)
        found = load_state_dict(tmp_path / name)
        assert found.keys() == tensors.keys()
        for key in tensors:
            torch.testing.assert_close(found[key], tensors[key])
    torch.save(tensors, tmp_path / 'bare.pth')
    assert load_state_dict(tmp_path / 'bare.pth').keys() == tensors.keys()
    safetensors.torch.save_file(tensors, tmp_path / 'bare.safetensors')
    torch.testing.assert_close(load_state_dict(tmp_path / 'bare.safetensors'), tensors)


class CfgNode(dict):
    """As of yacs: a dict with attributes."""

    def __init__(self, *args):
        super().__init__(*args)
        self.__dict__['__immutable__'] = False


@pytest.mark.parametrize('zipped', [True, False])
def test_ordinary_objects_of_training_programs_are_passed_over(tmp_path, zipped, monkeypatch):
    monkeypatch.setattr(CfgNode, '__module__', 'yacs.config')
    monkeypatch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
    monkeypatch.setitem(sys.modules, 'yacs.config', types.SimpleNamespace(CfgNode=CfgNode))
    other = {
        'cfg': CfgNode({'MODEL': CfgNode({'NAME': 'vit'}), 'LR': 1.0}),
        'history': defaultdict(list, loss=[1.0, 2.0]),
        'window': deque([1.0, 2.0, 3.0], maxlen=5),
        'counter': Counter('aab'),
        'seen': {1, 2},
        'ordered': OrderedDict(a=1),
        'array': np.arange(3),
        'scalar': np.float64(1.5),
        'date': datetime.datetime(2026, 1, 1),
        'path': PurePosixPath('a/b'),
        'space': argparse.Namespace(a=[1]),
    }
    torch.save(
        {'model': {'a': torch.ones(2)}, **other},
        tmp_path / 'a.pth',
        _use_new_zipfile_serialization=zipped,
    )
    monkeypatch.undo()
    assert load_state_dict(tmp_path / 'a.pth')['a'].equal(torch.ones(2))


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04 broken', bytes(100)])
def test_another_file_is_a_one_line_error(tmp_path, content, suffix):
    path = tmp_path / f'file.{suffix}'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'file.{suffix}.* is not a checkpoint') as error:
        load_checkpoint(path)
    assert '\n' not in str(error.value)


def test_missing_file_and_file_without_tensors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint'):
        load_checkpoint(tmp_path / 'none.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='holds a list'):
        load_checkpoint(tmp_path / 'list.pth')
    torch.save({'epoch': 1}, tmp_path / 'empty.pth')
    with pytest.raises(ValueError, match="has no tensors.*found the keys \\['epoch'\\]"):
        load_state_dict(tmp_path / 'empty.pth')


def test_a_checkpoint_must_fit_its_model(tmp_path):
    model = torch.nn.Linear(3, 2)
    for name, tensors in (
        ('same', model.state_dict()),
        ('part', {'weight': torch.ones(2, 3)}),
        ('more', {**model.state_dict(), 'scale': torch.ones(2)}),
        ('size', {'weight': torch.ones(2, 4), 'bias': torch.ones(2)}),
        ('other', {'conv.weight': torch.ones(2)}),
    ):
        torch.save({'state_dict': tensors}, tmp_path / f'{name}.pth')
    require_fit(tmp_path / 'same.pth', model, whole=True)
    require_fit(tmp_path / 'part.pth', model, whole=False)
    for name, whole, message in (
        ('part', True, '1 of 2 tensors found; first missing: bias'),
        ('more', True, '2 of 2 tensors found; first missing: none, first unexpected: scale'),
        ('size', False, r'weight has shape \(2, 4\), the model expects \(2, 3\)'),
        ('other', False, '0 of 2 tensors found.*first unexpected: conv.weight'),
    ):
        with pytest.raises(ValueError, match=message):
            require_fit(tmp_path / f'{name}.pth', model, whole=whole)
