import numpy as np
import pytest
import torch
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from cmae_mm.evaluation.probe_images import UNREADABLE, ProbeImages, find_labelled, spread
from tests.helpers.files import write_images

LABELS = np.array([2, 0, 2, 2, 0, 2, 1, 2, 2, 2, 2])


@DATASETS.register_module()
class Pixels(BaseDataset):
    """Images in memory: grey levels 0, 10, 20, ..."""

    METAINFO = dict(classes=('even', 'odd'))

    def __init__(self, labels, **kwargs):
        self.labels = labels
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self):
        return [
            dict(
                img=np.full((6, 6), 10 * index, np.uint8),
                **({} if label is None else dict(gt_label=label)),
            )
            for index, label in enumerate(self.labels)
        ]


def test_each_class_gives_a_bounded_number_at_even_distances():
    (chosen,) = spread(LABELS, 3)
    assert LABELS[chosen].tolist() == [2, 0, 2, 0, 1, 2]
    assert chosen[LABELS[chosen] == 2].tolist() == [0, 3, 8]  # of 0 2 3 5 7 8 9 10


def test_parts_are_disjoint_and_have_all_there_is():
    known, asked = spread(LABELS, 100, parts=2)
    assert sorted([*known, *asked]) == list(range(len(LABELS)))
    assert (LABELS[known] == 1).sum() == 1 and not (LABELS[asked] == 1).any()
    small = [len(part) for part in spread(LABELS, 2, parts=2)]
    assert small == [4, 3]  # 1 + 1 + 2, 1 + 0 + 2


@pytest.fixture
def folders(tmp_path):
    write_images(tmp_path / 'ant', num=3)
    write_images(tmp_path / 'bee' / 'deeper', num=2)
    (tmp_path / 'bee' / 'broken.jpg').write_bytes(b'broken')
    (tmp_path / 'bee' / 'notes.txt').write_text('no image')
    write_images(tmp_path, num=1)  # beside the classes, of none
    return tmp_path


def test_folders_name_the_classes(folders):
    found = find_labelled(folders)
    assert found.classes == ['ant', 'bee']
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.record(3)['img_path'] == str(folders / 'bee' / 'broken.jpg')


@pytest.mark.parametrize('world', [1, 2, 4, 9])
def test_shares_of_all_ranks_are_equal_and_together_all_images(folders, world):
    found = find_labelled(folders)
    shares = [ProbeImages((found, np.arange(6)), (8, 8), 3, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    in_order = [shares[i % world][i // world] for i in range(world * len(shares[0]))]
    assert [label for _, label in in_order] == [0, 0, 0, UNREADABLE, 1, 1] + [UNREADABLE] * (
        len(in_order) - 6
    )
    assert all(image.shape == (3, 8, 8) for image, _ in in_order)


def test_any_data_set_with_labels(folders):
    config = dict(type='CustomDataset', data_root=str(folders), extensions=('.jpg',))
    found, same = find_labelled(config), find_labelled(folders)
    assert found.labels.tolist() == same.labels.tolist() and found.classes == same.classes
    chosen = np.array([0, 2, 4])
    for (image, label), (expected, truth) in zip(
        ProbeImages((found, chosen), (8, 8), 3), ProbeImages((same, chosen), (8, 8), 3)
    ):
        assert torch.equal(image, expected) and label == truth != UNREADABLE


def test_images_in_memory():
    found = find_labelled(dict(type='Pixels', labels=[0, 1, 0]))
    images = ProbeImages((found, np.array([1, 2])), (3, 3), 1)
    assert [(image.unique().item(), label) for image, label in images] == [(10, 1), (20, 0)]
    assert images[0][0].shape == (1, 3, 3)


@pytest.mark.parametrize(
    'labels, message',
    [
        ([0, None], 'a label of Pixels .* is None: a probe needs a data set with one class'),
        ([0, [0, 1]], r'is \[0, 1\]'),
        ([1, 1], 'images of 1 classes in Pixels'),
    ],
)
def test_labels_that_do_not_do(labels, message):
    with pytest.raises(ValueError, match=message):
        find_labelled(dict(type='Pixels', labels=labels))


def test_folders_that_do_not_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder '.*nowhere'"):
        find_labelled(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='images of 0 classes .* needs at least two'):
        find_labelled(write_images(tmp_path / 'flat'))
    write_images(tmp_path / 'one' / 'class')
    with pytest.raises(ValueError, match='images of 1 classes'):
        find_labelled(tmp_path / 'one')
