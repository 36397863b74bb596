import pytest
import torch

from cmae_mm.models import AttentivePooling


@pytest.fixture
def pooling():
    """With every tensor away from its start, so that none of them can be left out unnoticed."""
    torch.manual_seed(0)
    pooling = AttentivePooling(12, num_heads=3)
    for parameter in pooling.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return pooling


def test_it_is_cross_attention_of_the_query_to_the_normed_tokens(pooling):
    tokens = torch.randn(5, 7, 12)
    query = pooling.norm_q(pooling.query).expand(5, -1, -1)
    expected = pooling.attention(query, k=pooling.norm_k(tokens), v=pooling.norm_v(tokens))[:, 0]
    torch.testing.assert_close(pooling.pool(tokens), expected)
    normed = (expected - expected.mean(dim=0)) / (expected.var(dim=0, correction=0) + 1e-6).sqrt()
    torch.testing.assert_close(pooling((torch.zeros(1), tokens))[0], normed)


def test_a_feature_map_is_its_places(pooling):
    tokens = torch.randn(4, 6, 12)
    maps = tokens.transpose(1, 2).unflatten(2, (2, 3))
    torch.testing.assert_close(pooling((maps,))[0], pooling((tokens,))[0])


def test_every_tensor_learns(pooling):
    pooling((torch.randn(5, 7, 12),))[0].square().mul(torch.randn(5, 12)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in pooling.parameters())


@pytest.mark.parametrize('width, heads', [(768, 12), (384, 6), (96, 3), (3, 3)])
def test_heads_have_64_channels_where_these_divide_the_width(width, heads):
    assert AttentivePooling(width).attention.num_heads == heads


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(ValueError, match='num_heads=5 does not divide the width 12'):
        AttentivePooling(12, num_heads=5)
