import pytest
import torch
from torch.nn import functional as F

from cmae_mm.cpu import attend, cpu_attention


@pytest.mark.parametrize('tokens', [5, 100])  # probabilities kept, or computed again
@pytest.mark.parametrize('queries', [1, 5, 7])
def test_results_and_gradients_are_those_of_torch(queries, tokens):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, queries, 4), (2, 3, tokens, 4), (2, 3, tokens, 4))
    parts = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]
    results = []
    for attention in (cpu_attention, F.scaled_dot_product_attention):
        output = attention(*parts)
        results.append((output, torch.autograd.grad(output.square().sum(), parts)))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('tokens', [5, 100])
def test_dropout_is_applied_whichever_way_is_taken(dtype, tokens):
    q, k, v = torch.ones(3, 1, 2, tokens, 4, dtype=dtype)
    v = v + torch.arange(tokens, dtype=dtype)[:, None]
    torch.manual_seed(0)
    without, again = attend(q, k, v), attend(q, k, v)
    torch.testing.assert_close(without, again)
    assert not torch.allclose(without, attend(q, k, v, dropout_p=0.5))
