import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cmae_mm.evaluation import (
    ClassFolder,
    FrozenEncoder,
    attentive_predict,
    evaluate_features,
    extract_features,
)
from cmae_mm.models import CMAEDataPreprocessor


class FirstPixel(nn.Module):
    """In place of a backbone: the colour of a corner."""

    def forward(self, images):
        return (images[:, :, :1, :1],)


@pytest.fixture
def encoder():
    return FrozenEncoder(FirstPixel(), CMAEDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3))


@pytest.fixture
def folders(tmp_path):
    """Three classes of plain colours, a little noisy."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 8), ('test', 3)):
        for channel, name in enumerate(('red', 'green', 'blue')):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.zeros((4, 4, 3), np.uint8)
                pixels[..., channel] = rng.integers(180, 256)
                Image.fromarray(pixels).save(folder / f'{index}.png')
    return tmp_path


def test_features_come_in_the_order_of_their_labels(folders, encoder):
    images = ClassFolder(folders / 'train', (4, 4), 3)
    features, labels = extract_features(encoder, images, batch_size=5, num_workers=0)
    assert features.shape == (24, 3)
    # classes in alphabetical order: blue, green, red
    assert torch.equal(2 - features.argmax(dim=1), labels)


def test_workers_and_batches_change_nothing(folders, encoder):
    images = ClassFolder(folders / 'train', (4, 4), 3)
    one = extract_features(encoder, images, batch_size=24, num_workers=0)
    other = extract_features(encoder, images, batch_size=7, num_workers=2)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_separable_classes_are_told_apart(folders, encoder):
    results = evaluate_features(
        encoder, folders / 'train', folders / 'test', (3, 4, 4), num_workers=0
    )
    assert results == dict(knn=100, linear=100, classes=3, train_images=24, test_images=9)


def test_attentive_probe_gets_all_tokens(folders, encoder):
    splits, how = (folders / 'train', folders / 'test'), dict(num_workers=0)
    results = evaluate_features(encoder, *splits, (3, 4, 4), **how, attentive=True)
    (known, known_labels), (tokens, labels) = (
        extract_features(encoder, ClassFolder(split, (4, 4), 3), **how) for split in splits
    )  # of one token each
    predicted = attentive_predict(known[:, None].half(), known_labels, tokens[:, None].half())
    assert results['attentive'] == 100 * (predicted == labels).double().mean().item()
    assert results['token_bytes'] == (24 + 9) * 3 * 2


def test_accuracy_is_of_the_test_images(folders, encoder):
    """With two test classes swapped, the third of the images is right."""
    test = folders / 'test'
    (test / 'red').rename(test / 'x')
    (test / 'blue').rename(test / 'red')
    (test / 'x').rename(test / 'blue')
    results = evaluate_features(encoder, folders / 'train', test, (3, 4, 4), num_workers=0)
    assert results['knn'] == results['linear'] == pytest.approx(100 / 3)


def test_unreadable_images_do_not_count(folders, encoder):
    (folders / 'test' / 'red' / 'broken.png').write_bytes(b'broken')
    results = evaluate_features(
        encoder, folders / 'train', folders / 'test', (3, 4, 4), batch_size=1, num_workers=0
    )
    assert (results['test_images'], results['knn']) == (9, 100)


def test_nothing_readable_is_an_error(tmp_path, encoder):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '0.png').write_bytes(b'broken')
    with pytest.raises(ValueError, match='no image in .* can be read'):
        extract_features(encoder, ClassFolder(tmp_path, (4, 4), 3), num_workers=0)
