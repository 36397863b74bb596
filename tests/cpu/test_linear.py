import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

from cmae_mm.cpu import linear
from cmae_mm.cpu.linear import OneDNNLinear, use_fastest_linear
from tests.helpers.tiny import tiny_config, two_views


@pytest.fixture
def slow_mkl(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(linear, '_mkl_is_slow', lambda: True)


def pair(inputs, outputs, bias=True):
    """A layer of torch's and its copy."""
    torch.manual_seed(0)
    layer = nn.Linear(inputs, outputs, bias)
    copied = copy.deepcopy(layer)
    copied.__class__ = OneDNNLinear
    return layer, copied


def output_and_gradients(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    wanted = [x, *(p for p in layer.parameters() if p.requires_grad)]
    return [y, *torch.autograd.grad(y.square().sum(), wanted)]


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('shape', [(5, 24), (2, 7, 24), (2, 3, 4, 24)])
def test_equals_torch_in_output_and_gradients(shape, bias):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for own, other in zip(*(output_and_gradients(layer, x) for layer in pair(24, 10, bias))):
        # the exponent of float32, not of bfloat16
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_views_and_frozen_weights():
    x = torch.randn(24, 6, 3).transpose(0, 2)
    layers = pair(24, 10)
    for layer in layers:
        layer.weight.requires_grad_(False)
    for own, other in zip(*(output_and_gradients(layer, x) for layer in layers)):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('x', [torch.zeros(0, 24), torch.ones(24), torch.ones(2, 24).double()])
def test_all_else_is_left_to_torch(x):
    layer, copied = (each.to(x.dtype) for each in pair(24, 10))
    assert copied(x).equal(layer(x))


def test_autocast_is_obeyed():
    layer, copied = pair(24, 10)
    x = torch.randn(5, 24)
    with torch.autocast('cpu', torch.bfloat16):
        assert copied(x).equal(layer(x)) and copied(x).dtype == torch.bfloat16


def test_plain_layers_change_and_their_tensors_stay(slow_mkl):
    class Special(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(2, 2), Special(2, 2), nn.ReLU())
    before = model.state_dict()
    use_fastest_linear(model)
    assert [type(module) for module in model] == [OneDNNLinear, Special, nn.ReLU]
    assert all(model.state_dict()[name].equal(before[name]) for name in before)


def test_other_processors_keep_torchs(monkeypatch):
    monkeypatch.setattr(linear, '_mkl_is_slow', lambda: False)
    model = nn.Sequential(nn.Linear(2, 2))
    use_fastest_linear(model)
    assert type(model[0]) is nn.Linear


def test_a_model_has_the_same_start_and_the_same_losses(slow_mkl):
    xavier = dict(type='Xavier', layer='Linear', distribution='uniform')
    model = MODELS.build(tiny_config(init_cfg=xavier))
    models = [model, copy.deepcopy(model)]
    use_fastest_linear(models[1])
    assert sum(isinstance(module, OneDNNLinear) for module in models[1].modules()) > 10
    losses = []
    for model in models:
        torch.manual_seed(0)
        model.init_weights()
        losses.append(torch.stack(list(model.loss(two_views()).values())))
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-4)
