import math

import pytest
import torch

from cmae_mm.evaluation import knn_predict, linear_predict


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


def test_a_tiny_temperature_is_the_nearest_neighbour():
    known, features = random_features(30, 6), random_features(30, 7)
    labels = torch.arange(30) % 5
    nearest = knn_predict(known, labels, features, k=1)
    assert torch.equal(knn_predict(known, labels, features, temperature=1e-6), nearest)


def test_linear_probe_finds_a_linear_rule_whatever_the_scale_of_features():
    known, features = random_features(400, 8), random_features(200, 9)
    rule = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0])
    scale = torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0])
    predicted = linear_predict(known * scale, (known @ rule > 0).long(), features * scale)
    assert (predicted == (features @ rule > 0)).double().mean() > 0.95
