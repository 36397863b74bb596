import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cmae_mm.evaluation import fit_linear_probe, linear_predict, linear_probe


def clusters(num, seed, classes=4, width=6):
    """Overlapping classes along correlated features of different scales."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(classes, (num,), generator=generator)
    noise = torch.randn(num, width, generator=generator)
    features = (noise + 1.5 * torch.eye(width)[labels]) @ mixing
    return features * 10.0 ** torch.arange(-2, width - 2) + 3, labels


def by_sklearn(features, labels, others, l2):
    """Probabilities of classes by scikit-learn, to its precision."""
    scaler = StandardScaler().fit(features.double().numpy())
    model = LogisticRegression(C=1 / (l2 * len(labels)), tol=1e-10, max_iter=10_000)
    model.fit(scaler.transform(features.double().numpy()), labels.numpy())
    return torch.from_numpy(model.predict_proba(scaler.transform(others.double().numpy())))


@pytest.mark.parametrize('l2', [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize('classes', [2, 4])
def test_probabilities_are_those_of_scikit_learn(l2, classes, monkeypatch):
    monkeypatch.setattr(linear_probe, '_CHUNK', 100)
    (features, labels), (others, _) = clusters(330, 0, classes), clusters(50, 1, classes)
    probe = fit_linear_probe(features, labels, classes, l2=l2)
    scores = probe.scores(others)
    # scikit-learn's model of two classes has one set of weights, equal to two of half the length:
    # half the penalty
    factor = 2 if classes == 2 else 1
    expected = by_sklearn(features, labels, others, l2 / factor)
    assert torch.allclose(scores.softmax(dim=1).double(), expected, atol=2e-3)
    assert expected.amax() - expected.amin() > 0.5


def test_several_labels_per_image_are_as_many_regressions():
    (features, labels), (others, _) = clusters(300, 2), clusters(50, 3)
    several = torch.stack([labels == 0, labels <= 1, labels >= 2], dim=1)
    scores = fit_linear_probe(features, several, 3, l2=1e-2).scores(others)
    for label in range(3):
        expected = by_sklearn(features, several[:, label].long(), others, 1e-2)[:, 1]
        assert torch.allclose(scores[:, label].sigmoid().double(), expected, atol=2e-3)


def test_regularisation_is_the_best_for_held_out_images(monkeypatch):
    """With noise for features, every weight is one too many; with the rule itself, none is."""
    features, labels = clusters(200, 4)
    noise = torch.randn(200, 60, generator=torch.Generator().manual_seed(5))
    assert fit_linear_probe(noise, labels, 4).l2 == linear_probe.L2_GRID[0]
    clear = 20 * torch.eye(6)[labels] + features.sign()
    assert fit_linear_probe(clear, labels, 4).l2 < 1e-3


def test_all_images_are_trained_on_in_the_end():
    features, labels = clusters(300, 6)
    chosen = fit_linear_probe(features, labels, 4)
    direct = fit_linear_probe(features, labels, 4, l2=chosen.l2)
    assert torch.allclose(chosen.scores(features), direct.scores(features), atol=0.02)


def test_the_same_seed_gives_the_same_probe_and_leaves_random_numbers_alone():
    features, labels = clusters(120, 7)
    before = torch.get_rng_state()
    one, other = (fit_linear_probe(features, labels, 4, seed=3) for _ in range(2))
    assert torch.equal(one.weight, other.weight) and one.l2 == other.l2
    assert torch.equal(torch.get_rng_state(), before)


def test_constant_features_are_without_effect():
    (features, labels), (others, _) = clusters(100, 8), clusters(20, 9)
    more = [torch.cat([x, torch.full((len(x), 1), 0.1)], dim=1) for x in (features, others)]
    expected = fit_linear_probe(features, labels, 4, l2=1e-2).scores(others)
    scores = fit_linear_probe(more[0], labels, 4, l2=1e-2).scores(more[1])
    assert torch.allclose(scores, expected, atol=0.02)


def test_half_precision_is_enough_for_features():
    (features, labels), (others, _) = clusters(200, 10), clusters(50, 11)
    expected = linear_predict(features, labels, others)
    assert torch.equal(linear_predict(features.half(), labels, others.half()), expected)


def random_features(num, seed, width=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, width, generator=generator)


def test_linear_probe_finds_a_linear_rule_whatever_the_scale_of_features():
    known, features = random_features(400, 8), random_features(200, 9)
    rule = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0])
    scale = torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0])
    predicted = linear_predict(known * scale, (known @ rule > 0).long(), features * scale)
    assert (predicted == (features @ rule > 0)).double().mean() > 0.95
