import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from cmae_mm.cpu import linear, product_of, use_fastest_linear
from cmae_mm.models.utils.encoder_layer import EncoderLayer, use_encoder_layers

TOKENS, WIDTH, HIDDEN = 5, 16, 64


def pair(**fields):
    """The host's layer and ours, with equal weights."""
    torch.manual_seed(0)
    host, own = (TransformerEncoderLayer(WIDTH, 2, HIDDEN, **fields) for _ in range(2))
    own.load_state_dict(host.state_dict())
    use_encoder_layers([own])
    assert type(own) is EncoderLayer
    return host, own


def tokens():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, TOKENS, WIDTH, generator=generator).requires_grad_()


def gradients(layer, x, output):
    return torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])


@pytest.mark.parametrize(
    'fields',
    [
        {},
        dict(qkv_bias=False),
        dict(layer_scale_init_value=0.5),
        dict(drop_path_rate=0.5),
        dict(drop_rate=0.3),  # its MLP stays the host's
        dict(act_cfg=dict(type='ReLU')),
        dict(ffn_type='swiglu_fused'),
    ],
    ids=str,
)
def test_results_and_gradients_are_the_hosts(fields):
    host, own = pair(**fields)
    x, results = tokens(), []
    for layer in (host, own):
        torch.manual_seed(2)
        output = layer(x)
        results.append((output, gradients(layer, x, output)))
    torch.testing.assert_close(*results)


def test_onednn_computes_as_the_host_does(monkeypatch):
    monkeypatch.setattr(linear, '_mkl_is_slow', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    host, own = pair()
    use_fastest_linear(own)
    hidden = own.ffn.layers[0][0](tokens())
    assert product_of(own.ffn.layers[1], hidden) is not torch.nn.functional.linear
    x, results = tokens(), []
    for layer in (host, own):
        output = layer(x)
        results.append((output, gradients(layer, x, output)))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_some_tokens_are_those_of_all():
    host, own = pair()
    x, queries = tokens(), torch.tensor([[4, 0], [1, 3], [2, 2]])
    expected = torch.stack([image[chosen] for image, chosen in zip(host(x), queries)])
    found = own(x, queries)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(own, x, found), gradients(host, x, expected))


def test_autocast_computes_as_the_host_does():
    host, own = pair()
    x, results = tokens(), []
    for layer in (host, own):
        with torch.autocast('cpu', torch.bfloat16):
            output = layer(x)
        results.append([output, *gradients(layer, x, output)])
    for expected, found in zip(*results):
        assert found.dtype == expected.dtype == torch.float32
        assert (found - expected).norm() < 0.02 * expected.norm()


def test_one_activation_of_the_mlps_width_is_kept():
    kept = {}

    def pack(tensor):
        if tensor.shape[-1] == HIDDEN and tensor.numel() == 3 * TOKENS * HIDDEN:
            kept[tensor.data_ptr()] = tensor  # held, so that its memory is not used again
        return tensor

    host, own = pair()
    for layer, expected in ((host, 2), (own, 1)):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            layer(tokens())
        assert len(kept) == expected
