import pytest
import torch
from mmpretrain.models.utils import MultiheadAttention

from cmae_mm.downstream.attention import RelativeAttention, partition, reunite


def naive(attention, x, grid, extra):
    """Logits one by one, as in the docstring."""
    rows, columns = grid
    batch, length, width = x.shape
    heads, dim = attention.num_heads, attention.head_dims
    qkv = attention.qkv(x).reshape(batch, length, 3, heads, dim)
    q, k, v = qkv.unbind(2)
    logits = torch.einsum('nqhd,nkhd->nhqk', q, k) / dim**0.5
    for y in range(rows):
        for i in range(columns):
            for yy in range(rows):
                for ii in range(columns):
                    a, b = extra + y * columns + i, extra + yy * columns + ii
                    vector = (
                        attention.rel_pos_h[y - yy + rows - 1]
                        + attention.rel_pos_w[i - ii + columns - 1]
                    )
                    logits[:, :, a, b] += q[:, a] @ vector
    out = torch.einsum('nhqk,nkhd->nqhd', logits.softmax(-1), v)
    return attention.proj(out.reshape(batch, length, width))


def attention(grid, zero=False):
    torch.manual_seed(0)
    module = RelativeAttention(MultiheadAttention(24, 2), grid)
    if not zero:
        torch.nn.init.normal_(module.rel_pos_h)
        torch.nn.init.normal_(module.rel_pos_w)
    return module


@pytest.mark.parametrize('grid', [(3, 3), (2, 5)])
@pytest.mark.parametrize('extra', [0, 1])
def test_equals_the_naive_loop_with_its_gradients(grid, extra):
    module = attention(grid)
    x = torch.randn(2, extra + grid[0] * grid[1], 24)
    found, expected = module(x, grid), naive(module, x, grid, extra)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    gradients = [
        torch.autograd.grad((y * weights).sum(), list(module.parameters()))
        for y in (found, expected)
    ]
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_runs_in_bfloat16():
    module = attention((2, 3))
    x = torch.randn(2, 7, 24)
    with torch.autocast('cpu', torch.bfloat16):
        found = module(x, (2, 3))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), module(x, (2, 3)), atol=0.05, rtol=0.05)


def test_starts_as_attention_without_positions():
    module, x = attention((3, 4), zero=True), torch.randn(2, 13, 24)
    plain = MultiheadAttention(24, 2)
    plain.load_state_dict({k: v for k, v in module.state_dict().items() if 'rel_pos' not in k})
    torch.testing.assert_close(module(x, (3, 4)), plain(x))


def test_positions_of_another_grid_are_interpolated():
    table = torch.arange(7.0)[:, None].expand(7, 3)  # distance + 3, linear: of 4 places
    for size in (4, 8, 3):
        wide = RelativeAttention.table(table, size)
        assert wide.shape == (size, size, 3)
        assert torch.equal(wide[0, 0], torch.full((3,), 3.0))
        # rows are places of the query: further down, the distance grows
        assert (wide.diff(dim=0) > 0)[:, 1:-1].all() and (wide.diff(dim=1) < 0)[1:-1].all()


@pytest.mark.parametrize('grid', [(4, 6), (5, 7), (2, 3)])
def test_windows_partition_the_grid(grid):
    x = torch.arange(2.0 * grid[0] * grid[1]).reshape(2, *grid, 1) + 1
    windows = partition(x, 4)
    assert windows.shape[1] == 16
    assert sorted(windows[windows > 0].tolist()) == x.flatten().tolist()
    assert torch.equal(windows[0].reshape(4, 4)[: grid[0], : grid[1]], x[0, :4, :4, 0])
    assert torch.equal(reunite(windows, 4, grid), x)
