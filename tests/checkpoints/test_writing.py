"""A file takes another's place in one step."""

import os

import pytest
import torch

from cmae_mm.checkpoints import remove_temporaries, replacing, write_torch


def test_a_file_is_renamed_not_copied(tmp_path):
    """A copy can be seen, or left behind, half made."""
    path = tmp_path / 'a.pth'
    path.write_text('before')
    with replacing(path) as temporary:
        write_torch({'a': torch.ones(2)}, temporary)
        assert path.read_text() == 'before' and temporary.parent == tmp_path
        inode = temporary.stat().st_ino
    assert path.stat().st_ino == inode and os.listdir(tmp_path) == ['a.pth']
    assert torch.load(path, weights_only=True)['a'].tolist() == [1, 1]


def test_an_error_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_text('before')
    with pytest.raises(OSError, match='was not written'), replacing(path) as temporary:
        temporary.write_text('half')
        raise OSError('no more')
    assert path.read_text() == 'before' and os.listdir(tmp_path) == ['a.pth']


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / '.a.pth.writing-123').write_text('half')
    (tmp_path / 'a.pth').write_text('whole')
    remove_temporaries(tmp_path)
    assert os.listdir(tmp_path) == ['a.pth']
