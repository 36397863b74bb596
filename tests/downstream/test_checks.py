import numpy as np
import pytest
from PIL import Image

from cmae_mm.downstream import CheckLabelMap, CheckMasks


def test_labels_within_the_model_s_classes_pass():
    labels = np.array([[0, 2], [255, 11]], np.uint8)
    results = CheckLabelMap(3, void=(11,))({'gt_seg_map': labels, 'seg_map_path': 'a.png'})
    assert results['gt_seg_map'].tolist() == [[0, 2], [255, 255]]


def test_a_class_beyond_the_model_s_is_an_error():
    labels = np.array([[0, 3]], np.uint8)
    with pytest.raises(ValueError, match=r'a.png has class 3, the model 3 classes .0 to 2.*void='):
        CheckLabelMap(3)({'gt_seg_map': labels, 'seg_map_path': 'a.png'})


def test_a_map_that_does_not_fit_its_image_is_an_error(tmp_path):
    def check(labels, **shapes):
        path = str(tmp_path / 'a.png')
        Image.fromarray(labels).save(path)
        of_host = labels.astype(np.uint8)
        return CheckLabelMap(3)({'gt_seg_map': of_host, 'seg_map_path': path, **shapes})

    labels = np.ones((4, 6), np.uint8)
    for shapes in ({}, dict(ori_shape=(4, 6)), dict(ori_shape=(8, 12), img_shape=(4, 6, 3))):
        assert check(labels, **shapes)['gt_seg_map'].shape == (4, 6)
    with pytest.raises(ValueError, match='a.png has 4x6 pixels, its image 8x12'):
        check(labels, ori_shape=(8, 12), img_shape=(16, 24))
    with pytest.raises(ValueError, match='a.png has 3 channels: expected one'):
        check(np.ones((4, 6, 3), np.uint8))
    with pytest.raises(ValueError, match='a.png has numbers of more than 8 bits.*modulo 256'):
        check(np.full((4, 6), 513, np.uint16))


def test_objects_without_masks_are_an_error():
    whole = dict(bbox=[0, 0, 1, 1], mask=[[0, 0, 1, 1, 0, 1]])
    results = dict(img_path='a.jpg', instances=[whole])
    assert CheckMasks()(results) is results
    assert CheckMasks()(dict(img_path='a.jpg', instances=[]))
    results['instances'] = [whole, dict(bbox=[0, 0, 1, 1])]
    with pytest.raises(ValueError, match="1 of 2 objects in a.jpg have no 'segmentation'.*masks"):
        CheckMasks()(results)
