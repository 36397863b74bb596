import math

import pytest
import torch

from cmae_mm.models.losses import (
    alignment,
    effective_rank,
    retrieval_accuracy,
    standard_deviation,
    uniformity,
)

M, D = 7, 5


def noise(seed):
    return torch.randn(M, D, generator=torch.Generator().manual_seed(seed))


def unit(vectors):
    return [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in vectors.tolist()]


def squared_distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def test_all_equal_directions():
    vectors = torch.ones(M, D) * torch.arange(1.0, M + 1).unsqueeze(1)
    assert alignment(vectors, vectors).item() == pytest.approx(0, abs=1e-6)
    assert uniformity(vectors).item() == pytest.approx(0, abs=1e-6)
    assert effective_rank(vectors).item() == pytest.approx(1, abs=1e-4)
    assert standard_deviation(vectors).item() == pytest.approx(0, abs=1e-6)


def test_orthonormal_directions():
    vectors = torch.eye(D) * torch.arange(1.0, D + 1).unsqueeze(1)
    assert alignment(vectors, vectors) == 0
    assert uniformity(vectors).item() == pytest.approx(-4)
    assert effective_rank(vectors).item() == pytest.approx(D)
    assert standard_deviation(vectors).item() == pytest.approx(math.sqrt(1 - 1 / D))
    assert retrieval_accuracy(vectors, vectors) == 1


def test_opposite_directions():
    pair = torch.stack((noise(0)[0], -noise(0)[0]))
    assert alignment(pair, -pair).item() == pytest.approx(4)
    assert uniformity(pair).item() == pytest.approx(-8)


def test_alignment_and_uniformity_equal_naive_loops():
    prediction, target = noise(0), noise(1)
    p, z = unit(prediction), unit(target)
    pairs = [squared_distance(a, b) for a, b in zip(p, z)]
    assert alignment(prediction, target).item() == pytest.approx(sum(pairs) / M, rel=1e-5)
    potentials = [
        math.exp(-2 * squared_distance(p[i], p[j])) for i in range(M) for j in range(M) if i < j
    ]
    expected = math.log(sum(potentials) / len(potentials))
    assert uniformity(prediction).item() == pytest.approx(expected, rel=1e-5)


def test_effective_rank_of_two_directions_of_unequal_weight():
    vectors = torch.tensor([[3.0, 0.0]] * 9 + [[0.0, 1.0]] * 4)  # singular values 3 and 2
    p = (3 / 5, 2 / 5)
    expected = math.exp(-sum(x * math.log(x) for x in p))
    assert effective_rank(vectors).item() == pytest.approx(expected, rel=1e-5)


def test_standard_deviation_equals_a_naive_loop_and_is_1_for_noise():
    rows = unit(noise(0))
    total = 0.0
    for column in zip(*rows):
        mean = sum(column) / M
        total += math.sqrt(sum((x - mean) ** 2 for x in column) / M)
    expected = total / D * math.sqrt(D)
    assert standard_deviation(noise(0)).item() == pytest.approx(expected, rel=1e-5)
    many = torch.randn(4000, D, generator=torch.Generator().manual_seed(0))
    assert standard_deviation(many).item() == pytest.approx(1, abs=0.01)


def test_retrieval_counts_what_is_nearest_to_its_own_target():
    target = torch.eye(D) * 3
    swapped = target[[1, 0, 2, 3, 4]]
    assert retrieval_accuracy(swapped, target).item() == pytest.approx(3 / 5)
    # nearest among targets, not among predictions: all predict the first target
    assert retrieval_accuracy(target[:1].expand(D, D), target).item() == pytest.approx(1 / 5)


def test_a_tie_is_no_retrieval():
    same = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    assert retrieval_accuracy(same, same) == 0
