import math

import pytest
import torch

from cmae_mm.evaluation import knn_predict, nearest
from cmae_mm.evaluation.neighbours import vote


def random_features(num, seed, width=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, width, generator=generator)


def naive_knn(train_features, train_labels, features, k, temperature):
    """The definition, image by image and neighbour by neighbour."""
    predictions = []
    for feature in features.tolist():
        similarities = []
        for known, label in zip(train_features.tolist(), train_labels.tolist(), strict=True):
            dot = sum(a * b for a, b in zip(feature, known, strict=True))
            similarities.append((dot / (math.hypot(*feature) * math.hypot(*known)), label))
        votes = {}
        for similarity, label in sorted(similarities, reverse=True)[:k]:
            votes[label] = votes.get(label, 0) + math.exp(similarity / temperature)
        predictions.append(max(votes, key=votes.get))
    return predictions


@pytest.mark.parametrize('k, temperature', [(1, 0.07), (7, 0.07), (7, 5.0), (40, 0.07)])
def test_knn_equals_the_naive_loop(k, temperature):
    known, features = random_features(40, 0), random_features(60, 1)
    labels = torch.randint(4, (40,), generator=torch.Generator().manual_seed(2))
    expected = naive_knn(known, labels, features, k, temperature)
    assert len(set(expected)) == 4
    assert knn_predict(known, labels, features, k, temperature, chunk=17).tolist() == expected


def test_knn_does_not_depend_on_chunks_nor_on_the_length_of_features():
    known, features = random_features(50, 3), random_features(30, 4)
    labels = torch.arange(50) % 3
    whole = knn_predict(known, labels, features)
    assert torch.equal(whole, knn_predict(known, labels, features, chunk=7))
    assert torch.equal(whole, knn_predict(known * 100, labels, features * 0.01))


def test_knn_takes_all_where_there_are_fewer_than_k():
    known, labels = random_features(3, 5), torch.tensor([0, 1, 1])
    assert torch.equal(knn_predict(known, labels, known, k=20), labels)


def test_no_neighbours_are_an_error():
    with pytest.raises(ValueError, match='0 neighbours.*at least 1'):
        nearest(torch.eye(2), torch.eye(2), 0)


def test_a_tiny_temperature_is_the_nearest_neighbour():
    known, features = random_features(30, 6), random_features(30, 7)
    labels = torch.arange(30) % 5
    nearest = knn_predict(known, labels, features, k=1)
    assert torch.equal(knn_predict(known, labels, features, temperature=1e-6), nearest)


@pytest.mark.parametrize('k', [1, 6, 40])
@pytest.mark.parametrize('precision', [torch.float32, torch.float16])
def test_nearest_in_chunks_equals_the_whole(k, precision):
    bank, queries = random_features(37, 10).to(precision), random_features(11, 11).to(precision)
    units = [torch.nn.functional.normalize(x.float(), dim=1) for x in (queries, bank)]
    expected = (units[0] @ units[1].T).sort(dim=1, descending=True)
    similarity, index = nearest(queries, bank, k, chunk=4, bank_chunk=9)
    assert torch.equal(index, expected.indices[:, :k])
    assert torch.allclose(similarity, expected.values[:, :k], atol=1e-6)
    assert similarity.dtype == torch.float32


def test_images_of_several_labels_vote_for_each():
    similarity = torch.tensor([[0.9, 0.5]])
    labels = torch.tensor([[True, True, False], [False, True, True]])
    shares = vote(similarity, torch.tensor([[1, 0]]), labels, 3, temperature=0.2)
    nearer = 1 / (1 + math.exp(-0.4 / 0.2))
    assert torch.allclose(shares, torch.tensor([[1 - nearer, 1.0, nearer]]))
