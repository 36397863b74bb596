import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

from cmae_mm.evaluation import retrieval


def naive(features, relevant, at):
    """Query by query, by torchmetrics."""
    units = torch.nn.functional.normalize(features, dim=1)
    rows = []
    for query in range(len(units)):
        others = torch.arange(len(units)) != query
        if relevant[query, others].any():
            # above 0: torchmetrics takes what is not for not found
            found = (2 + (units[query] @ units.T)[others], relevant[query, others])
            hits = [retrieval_hit_rate(*found, top_k=k) for k in at]
            rows.append([retrieval_average_precision(*found), *hits])
    return (100 * torch.tensor(rows).mean(dim=0)).tolist()


@pytest.mark.parametrize('several', [False, True])
def test_retrieval_equals_torchmetrics_query_by_query(several):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(30, 4, generator=generator)
    labels = torch.randint(6, (30,), generator=generator)
    labels[7] = 6  # nothing to be found
    relevant = labels[:, None] == labels
    if several:
        labels = torch.rand(30, 5, generator=generator) < 0.2
        relevant = (labels[:, None] & labels).any(dim=2)
    results = retrieval(features, labels, at=(1, 3), chunk=7)
    assert list(results) == ['mAP', 'recall@1', 'recall@3']
    assert list(results.values()) == pytest.approx(naive(features, relevant, (1, 3)), abs=1e-3)


def test_an_image_is_not_its_own_neighbour():
    results = retrieval(torch.eye(4) + 0.1, torch.tensor([0, 1, 0, 1]), at=(1,))
    assert results['recall@1'] < 100


def test_what_is_not_told_apart_is_not_found_whatever_its_order():
    labels = torch.arange(12) // 3
    alike = torch.ones(12, 4)
    worst = retrieval(alike, labels, at=(1, 9))
    assert worst == retrieval(alike, labels.flip(0), at=(1, 9))
    assert worst['recall@1'] == worst['recall@9'] == 0 < worst['mAP'] < 20


def test_without_two_images_of_a_class_there_is_nothing_to_measure():
    assert retrieval(torch.eye(4), torch.arange(4)) == {}
