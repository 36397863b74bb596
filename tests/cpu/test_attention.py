import pytest
import torch
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import MultiheadAttention
from torch.nn import functional as F

from cmae_mm.cpu import attend, cpu_attention, use_fastest_attention

ARCH = dict(embed_dims=12, num_layers=2, num_heads=3, feedforward_channels=24)


@pytest.mark.parametrize('tokens', [5, 100])  # probabilities kept, or computed again
@pytest.mark.parametrize('queries', [1, 5, 7])
@pytest.mark.parametrize('scale', [None, 1.0, 0.3])
def test_results_and_gradients_are_those_of_torch(queries, tokens, scale):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, queries, 4), (2, 3, tokens, 4), (2, 3, tokens, 4))
    parts = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]
    results = []
    for attention in (cpu_attention, F.scaled_dot_product_attention):
        output = attention(*parts, scale=scale)
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


@pytest.mark.parametrize('tokens', [5, 100])
def test_scale_is_kept_whichever_way_is_taken(tokens):
    q, k, v = torch.randn(3, 1, 2, tokens, 4, generator=torch.Generator().manual_seed(0))
    expected = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    torch.testing.assert_close(attend(q, k, v, scale=1.0), expected)


def test_a_host_s_encoder_attends_by_the_fastest_way_with_the_same_results():
    torch.manual_seed(0)
    encoder = VisionTransformer(ARCH, img_size=8, patch_size=4)
    images = torch.randn(2, 3, 8, 8)
    expected = encoder(images)[-1]
    use_fastest_attention(encoder)
    assert [layer.attn.scaled_dot_product_attention for layer in encoder.layers] == [attend] * 2
    torch.testing.assert_close(encoder(images)[-1], expected)


def test_attention_of_another_kind_is_left_alone():
    layer = MultiheadAttention(12, 3, qk_scale=0.1)
    own = layer.scaled_dot_product_attention
    use_fastest_attention(layer)
    assert layer.scaled_dot_product_attention is own


def test_beside_a_gpu_the_hosts_attention_stays(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    layer = MultiheadAttention(12, 3)
    use_fastest_attention(layer)
    assert layer.scaled_dot_product_attention is F.scaled_dot_product_attention
