import math

import pytest
import torch
from torch import distributed

from cmae_mm.engine.ranks import run_ranks
from cmae_mm.models import BYOLLoss, InfoNCELoss


def naive_info_nce(online, target, temperature):
    total = 0.0
    for i in range(len(online)):
        scores = [
            float(torch.dot(online[i], z) / (online[i].norm() * z.norm())) / temperature
            for z in target
        ]
        total -= scores[i] - math.log(sum(math.exp(score) for score in scores))
    return total / len(online)


@pytest.mark.parametrize('temperature, weight', [(0.07, 0.14), (0.5, 1.0)])
def test_info_nce_equals_a_naive_loop(temperature, weight):
    torch.manual_seed(0)
    online, target = torch.randn(6, 8), torch.randn(6, 8)
    loss = InfoNCELoss(temperature, weight)(online, target)
    expected = weight * naive_info_nce(online, target, temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_target_gets_no_gradient():
    online = torch.randn(4, 8, requires_grad=True)
    target = torch.randn(4, 8, requires_grad=True)
    for loss in (InfoNCELoss(), BYOLLoss()):
        loss(online, target).backward()
        assert target.grad is None
        assert online.grad.abs().sum() > 0


def test_byol_loss_is_the_squared_distance_of_unit_vectors():
    online, target = torch.randn(5, 8), torch.randn(5, 8)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (online, target)]
    expected = (unit[0] - unit[1]).square().sum(dim=1).mean()
    torch.testing.assert_close(BYOLLoss(2.0)(online, target), 2 * expected)


def test_info_nce_is_float32_under_autocast():
    online, target = torch.randn(6, 8), torch.randn(6, 8)
    with torch.autocast('cpu', torch.bfloat16):
        half = InfoNCELoss()(online, target)
    torch.testing.assert_close(half, InfoNCELoss()(online, target))


def test_one_image_is_an_error():
    with pytest.raises(ValueError, match='no negatives'):
        InfoNCELoss()(torch.randn(1, 8), torch.randn(1, 8))


def _rank_loss(rank):
    torch.manual_seed(0)
    online, target = torch.randn(6, 8, requires_grad=True), torch.randn(6, 8)
    half = slice(3 * rank, 3 * rank + 3)
    loss = InfoNCELoss()(online[half], target[half])
    loss.backward()
    # DistributedDataParallel averages gradients over ranks
    grad = online.grad / distributed.get_world_size()
    return {'loss': loss.detach(), 'grad': grad}


def test_two_ranks_equal_one_rank_on_the_joined_batch():
    torch.manual_seed(0)
    online, target = torch.randn(6, 8, requires_grad=True), torch.randn(6, 8)
    joined = InfoNCELoss()(online, target)
    joined.backward()
    results = run_ranks(_rank_loss, world=2)
    mean = (results[0]['loss'] + results[1]['loss']) / 2
    torch.testing.assert_close(mean, joined.detach())
    torch.testing.assert_close(results[0]['grad'] + results[1]['grad'], online.grad)
