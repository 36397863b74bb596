import tempfile

import pytest
import torch

from cmae_mm.evaluation import TokenStore


def test_tokens_are_kept_in_half_precision_and_the_file_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    store, tokens = TokenStore(capacity=7), torch.randn(5, 4, 3)
    store.add(tokens[:3])
    store.add(tokens[3:])
    kept = store.tokens()
    assert kept.dtype == torch.float16 and torch.equal(kept, tokens.half())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error():
    with pytest.raises(OSError, match='space|large'):
        TokenStore(capacity=10**12).add(torch.zeros(1, 1000, 1000))
