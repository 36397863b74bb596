import copy

import pytest
import torch

from cmae_mm.engine.ranks import run_ranks
from cmae_mm.models import InfoNCELoss, PatchInfoNCELoss, QueuedInfoNCELoss
from tests.models.losses.test_contrastive import naive_info_nce
from tests.models.losses.test_patches import drawn


def batches(count, images=4, width=8):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, images, width, generator=generator)


@pytest.mark.parametrize('size', [3, 6, 10])  # less than a batch; a part of two; of three
def test_the_queue_equals_a_naive_loop_over_the_last_targets(size):
    loss, past = QueuedInfoNCELoss(0.2, 0.4, queue_size=size, in_channels=8), []
    for online, target in batches(5):
        expected = 0.4 * naive_info_nce(online, [*target, *past[-size:]], 0.2)
        assert loss(online, target).item() == pytest.approx(expected, rel=1e-5)
        past.extend(target)


def test_what_is_not_finite_does_not_enter_the_queue():
    loss = QueuedInfoNCELoss(0.2, queue_size=6, in_channels=8)
    (_, first), (online, target), (_, third) = batches(3)
    loss(first, first)
    target[1] = torch.nan
    assert not loss(online, target).isfinite()
    assert loss.queue.isfinite().all() and loss(third, third).isfinite()


def test_gradients_are_those_of_the_negatives_at_the_time():
    loss = QueuedInfoNCELoss(0.2, queue_size=4, in_channels=8)
    (_, first), (online, target) = batches(2)
    loss(first, first)
    online = online.clone().requires_grad_()
    loss(online, target).backward()
    again = online.detach().clone().requires_grad_()
    unit = torch.nn.functional.normalize
    keys = torch.cat((unit(target, dim=1), unit(first, dim=1)))
    logits = unit(again, dim=1) @ keys.T / 0.2
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    torch.testing.assert_close(online.grad, again.grad)


def test_without_a_queue_it_is_info_nce_and_has_no_tensors():
    ((online, target),) = batches(1)
    loss = QueuedInfoNCELoss(0.2, 0.4)
    assert loss(online, target).equal(InfoNCELoss(0.2, 0.4)(online, target))
    assert not loss.state_dict()


def test_the_queue_goes_on_from_a_checkpoint_and_rests_in_evaluation():
    data = batches(3)
    loss = QueuedInfoNCELoss(0.2, queue_size=6, in_channels=8)
    loss(*data[0])
    resumed = QueuedInfoNCELoss(0.2, queue_size=6, in_channels=8)
    resumed.load_state_dict(copy.deepcopy(loss.state_dict()))
    before = resumed.queue.clone()
    resumed.eval()(*data[2])
    assert resumed.queue.equal(before)
    resumed.train()
    for online, target in data[1:]:
        assert resumed(online, target).equal(loss(online, target))


def test_a_queue_needs_a_width():
    with pytest.raises(ValueError, match='queue_size=4, in_channels=None'):
        QueuedInfoNCELoss(queue_size=4)


def losses_of(part):
    """Losses and gradients of two steps, of a part of each batch."""
    image, patch = QueuedInfoNCELoss(0.2, queue_size=6, in_channels=8), PatchInfoNCELoss()
    predictions, tokens, positions = drawn(images=4)
    predictions.requires_grad_()
    steps = [(online.requires_grad_(), target) for online, target in batches(2)]
    total = patch(predictions[part], tokens[part], positions[part])
    for online, target in steps:
        total = total + image(online[part], target[part])
    total.backward()
    gradients = [predictions.grad, *(online.grad for online, _ in steps)]
    return dict(
        loss=total.detach(), gradient=torch.cat([g.flatten() for g in gradients]), queue=image.queue
    )


def _on_a_rank(rank):
    return losses_of(slice(2 * rank, 2 * rank + 2))


def test_two_ranks_equal_one_rank_on_the_joined_batch():
    joined, ranks = losses_of(slice(None)), run_ranks(_on_a_rank, world=2)
    mean = {name: (ranks[0][name] + ranks[1][name]) / 2 for name in ('loss', 'gradient')}
    torch.testing.assert_close(mean['loss'], joined['loss'])
    torch.testing.assert_close(mean['gradient'], joined['gradient'])
    for rank in ranks:
        assert rank['queue'].equal(joined['queue'])
