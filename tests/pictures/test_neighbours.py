import numpy as np
import pytest
import torch
from PIL import Image

from cmae_mm.evaluation import ClassFolder
from cmae_mm.pictures import EncodedImages, draw_neighbours, first_of_each_class
from cmae_mm.pictures.style import RIGHT, WRONG


def test_queries_are_the_first_images_of_classes():
    labels = torch.tensor([0, 0, 1, 1, 3, 3, 3, 4])
    assert first_of_each_class(labels, 8).tolist() == [0, 2, 4, 7]
    assert first_of_each_class(labels, 2).tolist() == [0, 4]
    assert first_of_each_class(labels, 3).tolist() == [0, 2, 4]


@pytest.fixture
def encoded(tmp_path):
    """Six images of a grey level each, whose features are given."""
    for index in range(6):
        path = tmp_path / ('dark' if index < 3 else 'light') / f'{index}.png'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * index, np.uint8)).save(path)
    features = torch.tensor([[1, 0.0], [1, 0.2], [0, 1], [0.2, 1], [0.1, 1], [1, 1]])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    return EncodedImages(ClassFolder(tmp_path, (8, 8), 3), [*range(6)], labels, features)


def test_rows_show_the_nearest_images_and_whether_their_class_is_right(encoded):
    figure = draw_neighbours(encoded, encoded, count=2, k=3)
    levels, texts, frames = [], [], []
    for axis in figure.axes:
        levels.append(int(axis.images[0].get_array()[0, 0, 0]) // 40)
        texts.append(axis.get_xlabel())
        frames.append(axis.spines['top'].get_edgecolor())
    assert levels == [0, 0, 1, 5] + [3, 3, 4, 2]  # a query finds itself first
    assert texts[:4] == ['dark', '✓ dark 1.00', '✓ dark 0.98', '✗ light 0.71']
    from matplotlib.colors import to_rgba

    assert frames[1:4] == [to_rgba(colour) for colour in (RIGHT, RIGHT, WRONG)]
    assert texts[7].startswith('✗ dark')
