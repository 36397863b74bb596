import numpy as np
import pytest
import torch

from cmae_mm.pictures import draw_embedding, embed, embedding


@pytest.fixture(scope='module')
def groups():
    """Three groups of directions, and their labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(45) % 3
    return torch.eye(8)[labels] + 0.1 * torch.randn(45, 8, generator=generator), labels


def test_groups_stay_together_whatever_their_lengths(groups):
    features, labels = groups
    points = embed(features * torch.linspace(0.1, 10, 45)[:, None], seed=1)
    assert points.shape == (45, 2)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()
    again = embed(features * torch.linspace(0.1, 10, 45)[:, None], seed=1)
    assert np.array_equal(points, again)


def test_each_class_has_points_name_and_look_of_its_own():
    labels = torch.arange(40) % 20
    points = np.random.default_rng(0).normal(size=(40, 2))
    names = [f'class {index}' for index in range(20)]
    figure = draw_embedding(points, labels, names)
    [axis] = figure.axes
    assert [text.get_text() for text in axis.texts] == names
    looks = set()
    for label, drawn in enumerate(axis.collections):
        assert np.array_equal(drawn.get_offsets(), points[labels.numpy() == label])
        looks.add((tuple(drawn.get_facecolor()[0]), drawn.get_paths()[0].vertices.tobytes()))
    assert len(looks) == 20


def test_what_is_missing_is_said(monkeypatch, groups):
    monkeypatch.setattr(embedding, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install umap-learn, or choose --method tsne'):
        embed(groups[0], 'umap')
    with pytest.raises(ValueError, match='3 images: at least 4'):
        embed(groups[0][:3])
    with pytest.raises(ValueError, match="method='pca': choose from tsne, umap"):
        embed(groups[0], 'pca')


def test_umap(groups):
    pytest.importorskip('umap')
    points = embed(groups[0], 'umap')
    assert points.shape == (45, 2) and np.isfinite(points).all()
