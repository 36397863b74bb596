import numpy as np
from PIL import Image

from cmae_mm.demo.predictions import Answer, Example, draw_examples

IMAGE = np.full((16, 16), 128, np.uint8)


def drawn(examples, path, classes=('cat', 'dog')):
    draw_examples({'one': examples, 'other': examples}, classes, path)
    return np.asarray(Image.open(path).convert('RGB'))


def colors(picture, column, columns=4):
    """Colours of more than a few pixels within a column of the picture, without greys."""
    width = picture.shape[1] // columns
    part = picture[:, column * width : (column + 1) * width].reshape(-1, 3)
    values, counts = np.unique(part, axis=0, return_counts=True)
    many = values[counts > 1000].astype(int)
    return {tuple(c) for c in many if np.ptp(c) > 20}


def test_segmentation_shows_truth_and_prediction_in_the_same_colours(tmp_path):
    truth = np.zeros((16, 16), int)
    truth[8:] = 1
    wrong = Example(IMAGE, Answer(truth), Answer(np.zeros_like(truth)))
    picture = drawn([wrong], tmp_path / 'a.png')
    assert not colors(picture, 0)
    assert len(colors(picture, 1)) == 2 and len(colors(picture, 2)) == 1
    assert colors(picture, 2) < colors(picture, 1) and colors(picture, 2) == colors(picture, 3)


def test_objects_are_drawn_with_box_and_mask(tmp_path):
    mask = np.zeros((1, 16, 16), bool)
    mask[:, 2:12, 2:12] = True
    truth = Answer(np.array([1]), np.array([[2.0, 2, 12, 12]]), mask)
    nothing = Answer(np.zeros(0, int), np.zeros((0, 4)), np.zeros((0, 16, 16), bool))
    picture = drawn([Example(np.stack([IMAGE] * 3, -1), truth, nothing)], tmp_path / 'a.png')
    assert colors(picture, 1) and not colors(picture, 2)


def test_a_wrong_class_is_red_a_right_one_green(tmp_path):
    for label, channel in ((0, 0), (1, 1)):
        example = Example(IMAGE, Answer(np.array(1)), Answer(np.array(label)))
        picture = drawn([example], tmp_path / 'a.png', classes=('MMMMMMMM', 'MMMMMMMM'))
        part = picture[:, picture.shape[1] // 2 :].astype(int)
        excess = part[..., channel] - np.delete(part, channel, axis=-1).max(-1)
        assert (excess > 60).any()
        assert not (part[..., 1 - channel] - part[..., channel] > 60).any()
