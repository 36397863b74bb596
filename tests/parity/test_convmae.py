"""The parity check of ConvMAE, on a fixture made by this package itself."""

import copy
import functools

import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.checkpoints.hybrid import export_convmae
from cmae_mm.parity import check_parity
from cmae_mm.parity.convmae import model_config, numbers

CONFIG = dict(
    embed_dim=[8, 12, 24],
    depth=[2, 1, 2],
    num_heads=2,
    decoder_embed_dim=16,
    decoder_depth=1,
    decoder_num_heads=2,
    img_size=64,
    mlp_ratio=2,
    mask_ratio=0.75,
    norm_pix_loss=True,
)
RELEASED = {'ln1': 'norm1', 'ln2': 'norm2', 'ffn.layers.0.0': 'mlp.fc1', 'ffn.layers.1': 'mlp.fc2'}


def released_state(model):
    """A model's tensors in the released names."""
    tensors = export_convmae(model.backbone.state_dict())
    for name, tensor in model.neck.state_dict().items():
        if name.startswith('ln1'):
            name = name.replace('ln1', 'decoder_norm')
        for ours, theirs in RELEASED.items():
            name = name.replace(ours, theirs)
        tensors[name] = tensor
    return tensors


@functools.cache
def made():
    torch.manual_seed(0)
    model = MODELS.build(model_config(CONFIG))
    model.init_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    fixture = dict(
        config=CONFIG,
        state_dict=released_state(model),
        img=torch.randn(2, 3, 64, 64),
        noise=torch.rand(2, 16),
    )
    found = numbers(fixture)
    return {**fixture, **found, **found['classifiers']['qkv bias']}


@pytest.fixture
def fixture():
    return copy.deepcopy(made())


def test_equal_numbers_pass(fixture):
    rows = check_parity(fixture)
    assert len(rows) == 11 and all(row.passed for row in rows)
    assert len(fixture['grad_norms']) == len(fixture['state_dict']) - 2  # position embeddings


def test_the_classifier_may_lack_biases_of_queries_keys_and_values(fixture):
    fixture.update(fixture['classifiers']['no qkv bias'])
    rows = check_parity(fixture)
    assert all(row.passed for row in rows)
    assert {row.quantity for row in rows} >= {'stage3, no qkv bias', 'pooled, no qkv bias'}


@pytest.mark.parametrize(
    'name',
    [
        'latent',
        'mask',
        'ids_restore',
        'pred_mean',
        'pred_first',
        'stage1_mean',
        'stage2_mean',
        'stage3',
        'pooled',
    ],
)
def test_another_number_fails(fixture, name):
    fixture[name][(0,) * fixture[name].ndim] += 1
    assert [row.quantity.split(',')[0] for row in check_parity(fixture) if not row.passed] == [name]


def test_another_loss_or_gradient_fails(fixture):
    fixture['loss'] += 1e-3
    fixture['grad_norms']['blocks1.1.attn.weight'] += 1e-3
    failed = [row.quantity for row in check_parity(fixture) if not row.passed]
    assert failed == ['loss', 'gradients, worst blocks1.1.attn.weight']
