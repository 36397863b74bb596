"""The parity check of CAE, on fixtures made by a restatement that knows nothing of this package."""

import copy
import functools

import pytest
import torch

from cmae_mm.parity import check_parity
from tests.helpers.naive_cae import naive_cae, released_tensors

CONFIG = dict(
    img_size=24,
    patch_size=8,
    embed_dim=8,
    depth=2,
    num_heads=2,
    mlp_ratio=2,
    decoder_embed_dim=8,
    decoder_num_heads=2,
    regressor_depth=2,
    decoder_depth=1,
    vocabulary=7,
    layer_scale_encoder=0.1,
    layer_scale_decoder=0.1,
    align_loss_weight=2.0,
)
WIDER = {**CONFIG, 'decoder_embed_dim': 12, 'decoder_num_heads': 3, 'align_loss_weight': 3.0}


@functools.cache
def made(wider):
    config = WIDER if wider else CONFIG
    generator = torch.Generator().manual_seed(0)
    tensors = released_tensors(config, generator)
    images = torch.randn(3, 3, 24, 24, generator=generator)
    masks = torch.stack([torch.randperm(9, generator=generator) < 4 for _ in range(3)])
    labels = torch.randint(7, (12,), generator=generator)
    given = dict(config=config, state_dict=tensors, img=images, mask=masks, labels=labels)
    return given | naive_cae(tensors, config, images, masks, labels)


@pytest.fixture(params=[False, True], ids=['same width', 'wider regressor'])
def fixture(request):
    return copy.deepcopy(made(request.param))


def test_equal_numbers_pass(fixture):
    rows = check_parity(fixture)
    assert len(rows) == 6 and all(row.passed for row in rows), rows
    assert len(fixture['grad_norms']) == len(fixture['state_dict']) - 1  # position embeddings


@pytest.mark.parametrize('name', ['logits', 'latent_pred', 'latent_target'])
def test_another_number_fails(fixture, name):
    fixture[name].flatten()[-1] += 1e-3
    assert [row.quantity for row in check_parity(fixture) if not row.passed] == [name]


@pytest.mark.parametrize('name', ['loss_main', 'loss_align'])
def test_another_loss_fails(fixture, name):
    fixture[name] += 1e-3
    assert [row.quantity for row in check_parity(fixture) if not row.passed] == [name]


@pytest.mark.parametrize('name', ['encoder.blocks.1.attn.v_bias', 'mask_token'])
def test_another_gradient_fails(fixture, name):
    fixture['grad_norms'][name] = 1.01 * fixture['grad_norms'][name] + 1e-3
    failed = [row.quantity for row in check_parity(fixture) if not row.passed]
    assert failed == [f'gradients, worst {name}']
