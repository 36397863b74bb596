import numpy as np
import pytest
import torch
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from cmae_mm.evaluation.probe_images import choose_images, spread
from tests.helpers.files import write_images

LABELS = torch.tensor([2, 0, 2, 2, 0, 2, 1, 2, 2, 2, 2])


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
    assert [index for index in chosen if LABELS[index] == 2] == [0, 3, 8]  # of 0 2 3 5 7 8 9 10


def test_parts_are_disjoint_and_have_all_there_is():
    known, asked = spread(LABELS, 100, parts=2)
    assert sorted([*known, *asked]) == list(range(len(LABELS)))
    assert (LABELS[known] == 1).sum() == 1 and not (LABELS[asked] == 1).any()
    small = [len(part) for part in spread(LABELS, 2, parts=2)]
    assert small == [4, 3]  # 1 + 1 + 2, 1 + 0 + 2


@pytest.fixture
def folders(tmp_path):
    tmp_path /= 'classes'
    write_images(tmp_path / 'ant', num=3)
    write_images(tmp_path / 'bee' / 'deeper', num=2)
    (tmp_path / 'bee' / 'broken.jpg').write_bytes(b'broken')
    (tmp_path / 'bee' / 'notes.txt').write_text('no image')
    write_images(tmp_path, num=1)  # beside the classes, of none
    return tmp_path


SHAPE = (3, 8, 8)


def labels_of(part):
    return part.dataset.labels(part.indices).tolist()


def test_folders_name_the_classes(folders):
    known, asked, classes = choose_images(folders, folders, 2, SHAPE)
    assert known.dataset.classes == ('ant', 'bee') and classes == 2
    assert labels_of(known) == labels_of(asked) == [0, 0, 1, 1]
    assert known.indices == [0, 1, 3, 4]
    assert [image and image['gt_label'] for image in known] == [0, 0, None, 1]  # broken.jpg


def test_any_data_set_with_labels(folders):
    config = dict(type='CustomDataset', data_root=str(folders), extensions=('.jpg',))
    of_config, of_folders = (choose_images(source, None, 9, SHAPE) for source in (config, folders))
    for part, same in zip(of_config[:2], of_folders[:2]):
        assert part.indices == same.indices and labels_of(part) == labels_of(same)
    assert torch.equal(of_config.asked[0]['image'], of_folders.asked[0]['image'])


def test_images_in_memory():
    source = dict(type='Pixels', labels=[0, 1, 0, 1])
    known, asked, _ = choose_images(source, None, 1, (1, 3, 3))
    found = [(i['image'].unique().item(), i['gt_label']) for part in (known, asked) for i in part]
    assert found == [(0, 0), (10, 1), (20, 0), (30, 1)]
    assert known[0]['image'].shape == (1, 3, 3)


@pytest.mark.parametrize(
    'labels, message',
    [
        ([0, None], 'a label of Pixels is None, others are one class'),
        ([0, [0, 1]], r'a label of Pixels is \[0, 1\]'),
        ([[0], [0, 1]], 'Pixels has several labels per image: a probe needs one'),
        ([1, 1], 'all images of Pixels have one class'),
        ([0, 2, 0, 2], 'Pixels has 2 classes, but an image has the label 2'),
        ([0, 1], 'one image per class in Pixels'),
    ],
)
def test_labels_that_do_not_do(labels, message):
    with pytest.raises(ValueError, match=message):
        choose_images(dict(type='Pixels', labels=labels), None, 9, SHAPE)


def test_both_have_the_same_classes(folders, tmp_path):
    for name in ('ant', 'cat'):
        write_images(tmp_path / 'other' / name)
    with pytest.raises(ValueError, match='other classes than the training images: bee, cat'):
        choose_images(folders, tmp_path / 'other', 9, SHAPE)
