import json

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
    expected = dict(knn=100, linear=100, classes=3, train_images=24, test_images=9, width=3)
    assert {name: results[name] for name in expected} == expected
    assert results['retrieval'] == {'mAP': 100, 'recall@1': 100, 'recall@5': 100, 'recall@10': 100}
    recalls = results['linear_metrics']['recall_per_class']
    assert recalls == dict(blue=100, green=100, red=100)
    assert results['effective_rank'] > 2.9  # a colour each


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
    assert results['knn'] == results['linear'] == pytest.approx(100 / 3, abs=1e-4)


def test_unreadable_images_do_not_count(folders, encoder):
    (folders / 'test' / 'red' / 'broken.png').write_bytes(b'broken')
    results = evaluate_features(
        encoder, folders / 'train', folders / 'test', (3, 4, 4), batch_size=1, num_workers=0
    )
    assert (results['test_images'], results['knn']) == (9, 100)


def test_kept_features_say_what_could_not_be_read(folders, encoder, monkeypatch):
    (folders / 'test' / 'red' / 'broken.png').write_bytes(b'broken')
    said = []
    monkeypatch.setattr('cmae_mm.evaluation.features.print_log', lambda text, *_: said.append(text))
    how = dict(num_workers=0, features=folders / 'kept')
    for _ in range(2):
        evaluate_features(encoder, folders / 'train', folders / 'test', (3, 4, 4), **how)
    assert len(said) == 2 and all(text.startswith('1 images of ') for text in said)


def annotations(folders, split, label):
    """Config of a data set of the same images, whose labels an annotation file gives."""
    paths = sorted((folders / split).glob('*/*.png'))
    names = ('blue', 'green', 'red')
    images = [dict(img_path=str(path), **label(names.index(path.parent.name))) for path in paths]
    file = folders / f'{split}.json'
    file.write_text(json.dumps(dict(metainfo=dict(classes=names), data_list=images)))
    return dict(type='mmpretrain.MultiLabelDataset', ann_file=str(file))


def test_a_data_set_gives_what_its_folder_gives(folders, encoder):
    sets = [annotations(folders, split, lambda c: dict(gt_label=c)) for split in ('train', 'test')]
    of_files = evaluate_features(encoder, *sets, (3, 4, 4), num_workers=0)
    of_folders = evaluate_features(
        encoder, folders / 'train', folders / 'test', (3, 4, 4), num_workers=0
    )
    del of_files['seconds'], of_folders['seconds']
    assert of_files == of_folders


def test_images_of_several_labels(folders, encoder):
    """Red is warm, blue cold, green both."""
    warmth = {0: [0], 1: [0, 1], 2: [1]}
    sets = [
        annotations(folders, split, lambda c: dict(gt_label=warmth[c]))
        for split in ('train', 'test')
    ]
    for one in sets:
        one['metainfo'] = dict(classes=('cold', 'warm'))
    results = evaluate_features(encoder, *sets, (3, 4, 4), num_workers=0)
    assert results['classes'] == 2
    assert results['knn'] == results['linear'] == 100
    assert results['linear_metrics'] == dict(mAP=100, auroc=100)


def test_missing_labels_and_a_single_class_are_errors(folders, encoder):
    bare = annotations(folders, 'train', lambda c: {})
    with pytest.raises(ValueError, match='has no labels .gt_label., its images have img_path'):
        evaluate_features(encoder, bare, folders / 'test', (3, 4, 4))
    from_one = [annotations(folders, s, lambda c: dict(gt_label=c + 1)) for s in ('train', 'test')]
    with pytest.raises(ValueError, match='has 3 classes, but an image has the label 3'):
        evaluate_features(encoder, *from_one, (3, 4, 4), num_workers=0)
    below = annotations(folders, 'train', lambda c: dict(gt_label=c - 1))
    with pytest.raises(ValueError, match='label -1: labels count from 0'):
        evaluate_features(encoder, below, folders / 'test', (3, 4, 4), num_workers=0)
    alike = annotations(folders, 'train', lambda c: dict(gt_label=1))
    with pytest.raises(ValueError, match='have one class: at least two'):
        evaluate_features(encoder, alike, folders / 'test', (3, 4, 4), num_workers=0)


def test_an_encoder_of_nan_is_an_error(folders, encoder):
    encoder.data_preprocessor.std.fill_(0)  # black divided by it
    with pytest.raises(ValueError, match='features are not finite.*weights of the checkpoint'):
        evaluate_features(encoder, folders / 'train', folders / 'test', (3, 4, 4), num_workers=0)


def test_kept_features_are_of_one_way_to_read(folders, encoder):
    def evaluate(**loading):
        how = dict(num_workers=0, features=folders / 'kept', loading=loading)
        evaluate_features(encoder, folders / 'train', folders / 'test', (3, 4, 4), **how)

    evaluate()
    with pytest.raises(ValueError, match='features of other loading: , expected color_type=color'):
        evaluate(color_type='color')


def test_the_attentive_probe_says_what_it_can_not_do(folders, encoder):
    splits, how = (folders / 'train', folders / 'test'), dict(num_workers=0, attentive=True)
    with pytest.raises(ValueError, match='tokens, which are not kept'):
        evaluate_features(encoder, *splits, (3, 4, 4), features=folders / 'kept', **how)
    several = annotations(folders, 'train', lambda c: dict(gt_label=[c]))
    with pytest.raises(ValueError, match='one label per image'):
        evaluate_features(encoder, several, several, (3, 4, 4), **how)


def test_nothing_readable_is_an_error(tmp_path, encoder):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '0.png').write_bytes(b'broken')
    with pytest.raises(ValueError, match='no image in .* can be read'):
        extract_features(encoder, ClassFolder(tmp_path, (4, 4), 3), num_workers=0)
