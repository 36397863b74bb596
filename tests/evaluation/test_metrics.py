import sys

import pytest
import torch

from cmae_mm.evaluation import classification_metrics


def area_by_pairs(scores, truth):
    """AUROC by its meaning: the share of pairs in the right order; ties count half."""
    differences = scores[truth][:, None] - scores[~truth]
    return 100 * ((differences > 0).double() + (differences == 0).double() / 2).mean().item()


def average_precision(scores, truth):
    order = scores.argsort(descending=True).tolist()
    hits, precisions = 0, []
    for rank, index in enumerate(order, start=1):
        if truth[index]:
            hits += 1
            precisions.append(hits / rank)
    return 100 * sum(precisions) / len(precisions)


def test_accuracy_and_recall_per_class():
    scores = torch.eye(3)[[0, 0, 1, 2, 2]]
    metrics = classification_metrics(scores, torch.tensor([0, 1, 1, 2, 2]))
    assert metrics == dict(
        accuracy=80.0, recall_per_class=[100.0, 50.0, 100.0], mean_recall=pytest.approx(83.3333)
    )


def test_a_class_without_images_has_no_recall():
    metrics = classification_metrics(torch.eye(3)[[0, 1]], torch.tensor([0, 0]))
    assert metrics['recall_per_class'] == [50.0, None, None]
    assert metrics['mean_recall'] == 50.0


def test_top_five_of_six():
    scores = torch.arange(6.0).repeat(6, 1)
    metrics = classification_metrics(scores, torch.arange(6))
    assert metrics['top5'] == pytest.approx(100 * 5 / 6, abs=1e-3)


def test_there_is_no_area_without_both_classes():
    metrics = classification_metrics(torch.eye(2)[[0, 1]], torch.zeros(2).long())
    assert 'auroc' not in metrics and metrics['accuracy'] == 50


def test_area_of_two_classes_knows_ties_and_large_logits():
    generator = torch.Generator().manual_seed(0)
    scores = 100 * torch.randint(0, 4, (40, 2), generator=generator).float()
    labels = torch.randint(0, 2, (40,), generator=generator)
    expected = area_by_pairs(scores[:, 1] - scores[:, 0], labels == 1)
    assert classification_metrics(scores, labels)['auroc'] == pytest.approx(expected, abs=1e-3)


def test_several_labels_are_averaged_over_the_classes_that_differ():
    generator = torch.Generator().manual_seed(1)
    scores = 30 * torch.randn(25, 4, generator=generator)
    truth = torch.rand(25, 4, generator=generator) < 0.4
    truth[:, 2] = False
    metrics = classification_metrics(scores, truth)
    pairs = [(scores[:, i], truth[:, i]) for i in (0, 1, 3)]
    for name, naive in (('auroc', area_by_pairs), ('mAP', average_precision)):
        expected = sum(naive(*pair) for pair in pairs) / 3
        assert metrics[name] == pytest.approx(expected, abs=1e-3)


def test_missing_torchmetrics_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchmetrics.functional', None)
    with pytest.raises(ImportError, match=r'cmae_mm\[evaluation\]'):
        classification_metrics(torch.eye(2), torch.arange(2))
