import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cmae_mm.evaluation import FrozenEncoder
from cmae_mm.evaluation.feature_file import FeatureFile, encoder_fingerprint
from cmae_mm.evaluation.features import extract_own_features
from cmae_mm.evaluation.images import ClassFolder
from cmae_mm.models import CMAEDataPreprocessor


class Corner(nn.Module):
    """In place of a backbone: the colour of a corner, and how many images it was shown."""

    def __init__(self, gain=1.0):
        super().__init__()
        self.gain, self.shown = nn.Parameter(torch.tensor(gain)), 0

    def forward(self, images):
        self.shown += len(images)
        return (self.gain * images[:, :, :1, :1],)


def frozen(gain=1.0, pooling='avg'):
    scale = CMAEDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    return FrozenEncoder(Corner(gain), scale, pooling)


@pytest.fixture
def images(tmp_path):
    """Two classes of three images each, the second of which is broken."""
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        (tmp_path / 'images' / name).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'images' / name / f'{index}.png')
    (tmp_path / 'images' / 'a' / '1.png').write_bytes(b'broken')
    return ClassFolder(tmp_path / 'images', (4, 4), 3)


def open_file(folder, shape=(6, 3), **contents):
    return FeatureFile(folder, 'train', shape, dict(encoder='e', **contents))


def extract(encoder, images, file, **how):
    how = dict(batch_size=2, num_workers=0, label='train', **how)
    return extract_own_features(encoder, images, file, **how)


def test_kept_features_are_those_of_memory_and_not_computed_again(images, tmp_path):
    expected = extract(frozen(), images, None)
    for computed in (5, 0):
        encoder = frozen()
        features, labels = extract(encoder, images, open_file(tmp_path / 'kept'))
        assert torch.equal(features, expected[0]) and torch.equal(labels, expected[1])
        assert labels.tolist() == [0, 0, 1, 1, 1]
        assert encoder.backbone.shown == computed
        assert open_file(tmp_path / 'kept').missing(range(6)) == []


def test_an_interrupted_extraction_goes_on(images, tmp_path):
    expected, encoder = extract(frozen(), images, None), frozen()

    def interrupt(module, inputs):
        if module.shown == 3:
            raise KeyboardInterrupt

    encoder.backbone.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(encoder, images, open_file(tmp_path))
    encoder = frozen()
    features, _ = extract(encoder, images, open_file(tmp_path))
    assert torch.equal(features, expected[0])
    # the last batch before was not written yet; the broken image is tried again
    assert encoder.backbone.shown == 5 - 1


def test_the_file_is_an_array_that_numpy_maps(images, tmp_path):
    features, _ = extract(frozen(), images, open_file(tmp_path))
    kept = np.load(tmp_path / 'train.npy', mmap_mode='r')
    assert kept.dtype == np.float32 and np.array_equal(kept[[0, 2, 3, 4, 5]], features)
    assert json.loads((tmp_path / 'train.json').read_text())['width'] == 3


@pytest.mark.parametrize(
    'shape, contents, message',
    [
        ((6, 4), {}, 'of other width: 3, expected 4'),
        ((7, 3), {}, 'of other images: 6, expected 7'),
        ((6, 3), {'encoder': 'f'}, 'of other encoder: e, expected f'),
    ],
)
def test_features_of_something_else_are_refused(shape, contents, message, tmp_path):
    open_file(tmp_path)
    with pytest.raises(ValueError, match=f'train.npy. holds features {message}; choose another'):
        FeatureFile(tmp_path, 'train', shape, {'encoder': 'e', **contents})


def test_a_damaged_file_is_named(tmp_path):
    open_file(tmp_path)
    (tmp_path / 'train.npy').write_bytes((tmp_path / 'train.npy').read_bytes()[:140])
    with pytest.raises(ValueError, match='train.npy. is damaged'):
        open_file(tmp_path)


def test_a_full_disk_is_an_error(tmp_path):
    with pytest.raises(OSError, match='no room for 4000000.0 GB .*train.npy.*(space|large)'):
        open_file(tmp_path, shape=(10**12, 1000))
    assert not list(tmp_path.iterdir())


def test_fingerprints_tell_encoders_and_images_apart(images):
    assert encoder_fingerprint(frozen()) == encoder_fingerprint(frozen())
    others = [frozen(gain=1.5), frozen(pooling='cls'), frozen(), frozen()]
    others[2].data_preprocessor.mean += 1  # no part of the state
    others[3].backbone.num_heads = 4
    assert len({encoder_fingerprint(e) for e in (frozen(), *others)}) == 5
    root, before = Path(images.dataset.data_root), images.fingerprint()
    assert ClassFolder(root, (4, 4), 3).fingerprint() == before
    (root / 'a' / '0.png').rename(root / 'a' / '9.png')
    assert ClassFolder(root, (4, 4), 3).fingerprint() != before
