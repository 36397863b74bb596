import math

import pytest
import torch

from cmae_mm.evaluation import attentive_predict, knn_predict, linear_predict


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


def marked_tokens(num, seed):
    """Noise, but for one token of each image, which has one of three directions: its class."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(num, 16, 8, generator=generator)
    labels = torch.randint(3, (num,), generator=generator)
    places = torch.randint(16, (num,), generator=generator)
    directions = 6 * torch.eye(8)[:3] + 6 * torch.eye(8)[7]
    tokens[torch.arange(num), places] = directions[labels]
    return tokens, labels


def test_attentive_probe_finds_the_token_that_tells():
    (known, known_labels), (tokens, labels) = marked_tokens(300, 0), marked_tokens(100, 1)
    how = dict(epochs=20, batch_size=32, lr=1e-2)
    predicted = attentive_predict(known, known_labels, tokens, **how)
    averaged = linear_predict(known.mean(dim=1), known_labels, tokens.mean(dim=1))
    assert (predicted == labels).double().mean() > 0.9
    assert (averaged == labels).double().mean() < 0.8


def test_attentive_probe_depends_on_its_seed_alone():
    (known, known_labels), (tokens, _) = marked_tokens(60, 0), marked_tokens(40, 1)

    def predict(outside, seed):
        torch.manual_seed(outside)
        before = torch.get_rng_state()
        predicted = attentive_predict(
            known, known_labels, tokens, epochs=4, batch_size=16, lr=1e-2, seed=seed
        )
        assert torch.equal(torch.get_rng_state(), before)
        return predicted

    assert torch.equal(predict(1, seed=0), predict(2, seed=0))
    assert not torch.equal(predict(1, seed=0), predict(1, seed=1))


def test_attentive_probe_takes_fewer_images_than_a_batch_and_one_more_than_a_batch():
    known, labels = marked_tokens(9, 0)
    for batch_size in (4, 8, 256):
        assert len(attentive_predict(known, labels, known, epochs=1, batch_size=batch_size)) == 9
