import weakref

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import distributed

from cmae_mm.engine.ranks import CPUDistributedDataParallel, run_ranks
from cmae_mm.models.utils.micro_batches import in_micro_batches
from tests.helpers.tiny import PROJECTOR, tiny_model, two_views


def losses_and_gradients(dtype=torch.float32, **overrides):
    """Of 8 images; with the statistics of all batch norms."""
    model, views = tiny_model(**overrides), two_views(num_images=8)
    if dtype is torch.float64:
        model, views = model.double(), [view.double() for view in views]
    torch.manual_seed(5)
    with torch.autocast('cpu', torch.bfloat16, enabled=dtype is torch.bfloat16):
        losses = model.loss(views)
    sum(losses.values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {**losses, **gradients, **dict(model.named_buffers())}


@pytest.mark.parametrize(
    'overrides',
    [
        dict(),
        dict(target=dict(mask_ratio=0.5)),
        dict(neck__feature__share_weights=True),
    ],
    ids=str,
)
@pytest.mark.parametrize('size', [1, 3])
def test_losses_and_gradients_are_those_of_the_joined_batch(size, overrides, monkeypatch):
    # In double precision a difference can't be rounding. On a CPU random numbers, and so masks,
    # are the same however many are drawn at a time.
    monkeypatch.setattr(torch.Tensor, 'float', torch.Tensor.double)
    joined = losses_and_gradients(torch.float64, **overrides)
    assert len(joined) > 50
    parts = losses_and_gradients(torch.float64, micro_batch=size, **overrides)
    torch.testing.assert_close(parts, joined)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
def test_the_backward_pass_repeats_random_numbers_and_precision(dtype, monkeypatch):
    overrides = dict(micro_batch=3, backbone__drop_path_rate=0.5)
    parts = losses_and_gradients(dtype, **overrides)
    monkeypatch.setattr(
        'cmae_mm.models.utils.micro_batches.checkpoint',
        lambda function, *args, use_reentrant: function(*args),
    )
    kept = losses_and_gradients(dtype, **overrides)
    assert all(parts[name].equal(kept[name]) for name in kept)


def test_one_part_exists_at_a_time():
    activations, alive = [], []

    def function(images):
        alive.append(sum(activation() is not None for activation in activations))
        hidden = images.exp()  # exp keeps its result
        activations.append(weakref.ref(hidden))
        return hidden.sin()

    images = torch.ones(5, 2, requires_grad=True)
    in_micro_batches(function, 2, images).sum().backward()
    assert alive == [0] * 6  # three parts, forward and again
    torch.testing.assert_close(images.grad, (images.exp().cos() * images.exp()).detach())


def test_a_batch_that_fits_is_not_computed_twice():
    calls = []

    def function(images):
        calls.append(len(images))
        return images.exp()

    images = torch.ones(4, 2, requires_grad=True)
    for size in (None, 4, 8):
        in_micro_batches(function, size, images).sum().backward()
    assert calls == [4, 4, 4]


def test_gradients_of_parts_are_summed_in_the_weights_precision():
    weight = torch.ones(1, 1, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        linear = torch.nn.functional.linear
        results = in_micro_batches(lambda images: linear(images, weight), 1, torch.ones(512, 1))
    results.sum().backward()
    assert weight.grad.item() == 512  # in bfloat16 256 + 1 is 256


def test_less_than_one_image_is_an_error():
    with pytest.raises(ValueError, match='micro_batch=0: must be at least 1 image'):
        tiny_model(micro_batch=0)


def train_step(rank, world, micro_batch):
    """One step on this rank's share of 8 images; batch norm would see the share alone."""
    projector = {**PROJECTOR, 'norm_cfg': dict(type='LN')}
    model = tiny_model(
        micro_batch=micro_batch, neck__projector=projector, head__predictor=projector
    )
    share = 8 // world
    torch.manual_seed(5)
    model.backbone.masking.noise(rank * share, 'cpu')  # that of the ranks before
    views = dict(zip(('online', 'target'), two_views(num_images=8)))
    inputs = {name: view[rank * share :][:share] for name, view in views.items()}
    exchanges = []
    if world > 1:
        wrapped = CPUDistributedDataParallel(model)
        wrapped.register_comm_hook(exchanges, _exchange)
    else:
        wrapped = model
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    losses = wrapped.train_step({'inputs': inputs}, optim_wrapper)
    return dict(
        losses={name: loss.detach() for name, loss in losses.items()},
        weights={name: p.detach() for name, p in model.named_parameters()},
        exchanges=len(exchanges),
    )


def _exchange(exchanges, bucket):
    exchanges.append(bucket)
    future = distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
    return future.then(lambda sums: sums.value()[0] / distributed.get_world_size())


def test_two_ranks_are_one_and_exchange_gradients_once():
    joined = train_step(0, 1, None)
    ranks = run_ranks(train_step, 2, 2, 3)
    for name, loss in joined['losses'].items():
        mean = sum(rank['losses'][name] for rank in ranks) / 2
        torch.testing.assert_close(mean, loss)
    for rank in ranks:
        torch.testing.assert_close(rank['weights'], joined['weights'])
        assert rank['exchanges'] == 1  # of all tensors, which fit one bucket
