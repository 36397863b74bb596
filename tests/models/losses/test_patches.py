import math

import pytest
import torch

from cmae_mm.models import PatchInfoNCELoss, PatchSmoothL1Loss


def drawn(images=3, patches=6, removed=4, width=5):
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randn(images, removed, width, generator=generator)
    tokens = torch.randn(images, patches, width, generator=generator)
    order = torch.rand(images, patches, generator=generator).argsort(dim=1)
    return predictions, tokens, order[:, :removed]


def naive(predictions, tokens, positions, temperature, whole_batch):
    """The definition, patch by patch and key by key."""
    terms = []
    for image, (queries, places) in enumerate(zip(predictions, positions.tolist(), strict=True)):
        for query, place in zip(queries, places, strict=True):
            own = tokens[image, place]
            keys = tokens.flatten(0, 1) if whole_batch else tokens[image]
            scores = [
                float(query @ key / (query.norm() * key.norm())) / temperature for key in keys
            ]
            score = float(query @ own / (query.norm() * own.norm())) / temperature
            terms.append(math.log(sum(math.exp(s) for s in scores)) - score)
    return sum(terms) / len(terms)


@pytest.mark.parametrize('keys', ['image', 'batch'])
def test_patch_loss_equals_a_naive_loop(keys):
    loss = PatchInfoNCELoss(0.3, keys, loss_weight=0.5)(*drawn())
    expected = 0.5 * naive(*drawn(), 0.3, whole_batch=keys == 'batch')
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_patch_loss_is_at_its_floor_when_queries_are_the_keys():
    # a regular simplex: each key is as far from all others as can be
    patches, temperature = 6, 0.5
    keys = torch.eye(patches) - 1 / patches
    tokens = keys.expand(2, -1, -1)
    positions = torch.arange(patches).expand(2, -1)
    loss = PatchInfoNCELoss(temperature)
    queries = tokens.clone().requires_grad_()
    value = loss(queries, tokens, positions)
    margin = 1 + 1 / (patches - 1)
    floor = math.log(1 + (patches - 1) * math.exp(-margin / temperature))
    assert value.item() == pytest.approx(floor, rel=1e-3)
    value.backward()
    assert queries.grad.abs().max() < 1e-6
    torch.manual_seed(0)
    for _ in range(20):
        assert loss(tokens + 0.1 * torch.randn_like(tokens), tokens, positions) > value


@pytest.mark.parametrize('loss', [PatchInfoNCELoss(), PatchSmoothL1Loss()])
def test_the_teacher_gets_no_gradient_and_half_precision_stays_outside(loss):
    predictions, tokens, positions = drawn()
    tokens.requires_grad_(), predictions.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        half = loss(predictions, tokens, positions)
    torch.testing.assert_close(half, loss(predictions, tokens, positions))
    half.backward()
    assert tokens.grad is None and predictions.grad.abs().sum() > 0


def test_smooth_l1_regresses_the_normalised_tokens():
    predictions, tokens, positions = drawn()
    total = 0.0
    for image, places in enumerate(positions.tolist()):
        for query, place in zip(predictions[image], places, strict=True):
            token = tokens[image, place]
            normed = (token - token.mean()) / (token.var(correction=0) + 1e-5).sqrt()
            for distance in (query - normed).abs().tolist():
                total += distance - 1 if distance > 2 else distance**2 / 4
    expected = total / predictions.numel()
    assert PatchSmoothL1Loss()(predictions, tokens, positions).item() == pytest.approx(expected)


def test_bad_fields():
    with pytest.raises(ValueError, match='temperature=0: must be positive'):
        PatchInfoNCELoss(0)
    with pytest.raises(ValueError, match="choose 'image' or 'batch'"):
        PatchInfoNCELoss(keys='all')
