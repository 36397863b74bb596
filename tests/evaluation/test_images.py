import shutil

import numpy as np
import pytest
from mmpretrain.datasets import CustomDataset

from cmae_mm.evaluation.images import (
    ClassFolder,
    LabelledImages,
    collate,
    labelled_images,
)
from tests.helpers.files import write_pixels


def test_labels_follow_the_folders_and_unreadable_files_are_left_out(tmp_path):
    for name, value in (('dark', 10), ('light', 240)):
        for index in range(2):
            write_pixels(tmp_path / name / f'{index}.png', np.full((4, 4, 3), value))
    (tmp_path / 'dark' / 'broken.jpg').write_bytes(b'\xff\xd8\xff')
    images = ClassFolder(tmp_path, (4, 4), 3)
    assert images.classes == ('dark', 'light')
    batch = collate([images[i] for i in range(len(images))])
    assert len(images) == 5
    assert batch['gt_label'].tolist() == [0, 0, 1, 1]
    assert batch['image'][:, 0, 0, 0].tolist() == [10, 10, 240, 240]


def test_a_batch_may_be_empty():
    assert collate([None, None]) == {}


class InMemory(CustomDataset):
    """Grey images as MNIST's data set holds them: in memory, without channels."""

    METAINFO = dict(classes=('dark', 'light'))

    def load_data_list(self):
        return [
            dict(img=np.full((4, 4), value, np.uint8), gt_label=np.int64(value > 9))
            for value in (3, 200)
        ]


def test_images_in_memory_need_no_files():
    images = LabelledImages(InMemory(data_root='.'), (4, 4), 1)
    batch = collate([images[i] for i in range(2)])
    assert batch['image'].shape == (2, 1, 4, 4) and batch['image'].amax(dim=(1, 2, 3)).tolist() == [
        3,
        200,
    ]
    assert batch['gt_label'].tolist() == batch['index'].tolist() == [0, 1]
    assert images.labels([1, 0]).tolist() == [1, 0]


def test_joined_data_sets_keep_their_labels(tmp_path):
    for name, value in (('a', 10), ('b', 20)):
        write_pixels(tmp_path / name / '0.png', np.full((4, 4, 3), value))
    one = dict(type='mmpretrain.CustomDataset', data_root=str(tmp_path))
    images = labelled_images(dict(type='ConcatDataset', datasets=[one, one]), (4, 4), 3)
    assert images.labels(range(4)).tolist() == [0, 1, 0, 1]
    assert [int(images[i]['image'].max()) for i in range(4)] == [10, 20, 10, 20]


def test_one_class_or_others_than_in_training_are_errors():
    with pytest.raises(ValueError, match='has 1 class: at least two'):
        LabelledImages(InMemory(data_root='.', classes=('all',)), (4, 4), 1)
    source = dict(type=InMemory, data_root='.')
    with pytest.raises(ValueError, match='other classes than the training images: light, x'):
        labelled_images(source, (4, 4), 1, classes=('dark', 'x'))
    with pytest.raises(ValueError, match='in another order'):
        labelled_images(source, (4, 4), 1, classes=('light', 'dark'))


def test_folders_that_can_not_be_used(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere'"):
        ClassFolder(tmp_path / 'nowhere', (4, 4), 3)
    with pytest.raises(FileNotFoundError, match='no class folders'):
        ClassFolder(tmp_path, (4, 4), 3)
    write_pixels(tmp_path / 'a' / '0.png', np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="only one class, 'a'"):
        ClassFolder(tmp_path, (4, 4), 3)
    write_pixels(tmp_path / 'b' / '0.png', np.zeros((4, 4, 3)))
    for name in 'ab':
        (tmp_path / 'empty' / name).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='no image in the class folders of .*empty'):
        ClassFolder(tmp_path / 'empty', (4, 4), 3)
    shutil.rmtree(tmp_path / 'empty')
    with pytest.raises(ValueError, match='other classes than the training images: b, c'):
        ClassFolder(tmp_path, (4, 4), 3, classes=('a', 'c'))
