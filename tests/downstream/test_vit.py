import pytest
import torch
from mmengine.logging import MMLogger
from mmpretrain.models import VisionTransformer

from cmae_mm.downstream import DownstreamViT
from cmae_mm.downstream.attention import reunite

ARCH = dict(embed_dims=24, num_layers=4, num_heads=3, feedforward_channels=48)


def fields(**kwargs):
    return dict(arch=ARCH, img_size=32, patch_size=4, out_type='featmap') | kwargs


def initialised(**kwargs):
    torch.manual_seed(0)
    model = DownstreamViT(**fields(**kwargs))
    model.init_weights()
    return model


@pytest.mark.parametrize(
    'options',
    [
        dict(out_indices=[0, 3], final_norm=False),
        dict(out_type='cls_token'),
        dict(out_type='avg_featmap', final_norm=False),
        dict(with_cls_token=False, pre_norm=True, layer_scale_init_value=0.5),
    ],
)
@pytest.mark.parametrize('size', [(32, 32), (24, 50)])
def test_with_its_defaults_it_is_the_host_s(options, size):
    def copied():  # the host changes the list it is given
        return {k: list(v) if isinstance(v, list) else v for k, v in options.items()}

    model, host = initialised(**copied()), VisionTransformer(**fields(**copied()))
    host.load_state_dict(model.state_dict())
    model.eval(), host.eval()
    images = torch.randn(2, 3, *size)
    for found, expected in zip(model(images), host(images), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('window_size', [0, 3])
def test_relative_positions_start_from_zero(window_size):
    with_cls = dict(with_cls_token=not window_size, window_size=window_size, global_blocks=2)
    model, plain = initialised(rel_pos=True, **with_cls), initialised(**with_cls)
    missing, unexpected = plain.load_state_dict(model.state_dict(), strict=False)
    assert not missing and len(unexpected) == 8 and all('rel_pos' in name for name in unexpected)
    assert all(model.state_dict()[name].abs().sum() == 0 for name in unexpected)
    images = torch.randn(1, 3, 32, 24)
    model.eval(), plain.eval()
    torch.testing.assert_close(model(images)[0], plain(images)[0])


def test_windows_confine_what_a_token_sees():
    """Without global blocks between, a token depends on its window alone."""
    model = initialised(window_size=4, global_blocks=1, with_cls_token=False, out_indices=[2])
    model.eval()
    assert model.windows == [4, 4, 4, 0]
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    model(images)[0][0, :, 1, 6].sum().backward()  # window: rows 0-3, columns 4-7
    seen = images.grad.abs().sum((0, 1)).nonzero()
    assert seen.min(0).values.tolist() == [0, 16] and seen.max(0).values.tolist() == [15, 31]


def test_global_blocks_are_spread_evenly():
    assert (
        DownstreamViT('b', window_size=14, with_cls_token=False, out_type='featmap').windows
        == [14, 14, 0] * 4
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(window_size=4), 'window_size=4 does not work with a class token'),
        (dict(window_size=4, with_cls_token=False, global_blocks=3), 'does not divide the 4'),
        (dict(frozen_stages=5), 'frozen_stages=5: the encoder has 4 blocks'),
    ],
)
def test_impossible_fields(options, message):
    with pytest.raises(ValueError, match=message):
        DownstreamViT(**fields(**options))


def test_frozen_blocks_stay_frozen_in_training():
    model = initialised(
        frozen_stages=4,
        out_type='avg_featmap',
        final_norm=False,
        drop_path_rate=0.5,
        drop_rate=0.5,
    )
    assert model.train() is model
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {'ln2.weight', 'ln2.bias'}
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(model(images)[0], model(images)[0])  # no drop path
    partly = initialised(frozen_stages=2)
    trained = {
        n.split('.')[1] for n, p in partly.named_parameters() if p.requires_grad and '.' in n
    }
    assert trained == {'2', '3', 'weight', 'bias'}
    assert (
        not partly.pos_embed.requires_grad and not partly.patch_embed.projection.bias.requires_grad
    )


def test_pretrained_init_loads_and_reports(tmp_path, caplog):
    source = initialised(img_size=16)
    checkpoint = tmp_path / 'a.pth'
    tensors = {f'backbone.{name}': tensor for name, tensor in source.state_dict().items()}
    torch.save({'state_dict': {**tensors, 'head.predictor.x': torch.ones(1)}}, checkpoint)
    MMLogger.get_instance('test_vit').addHandler(caplog.handler)
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.')
    model = initialised(rel_pos=True, final_norm=False, init_cfg=init_cfg)
    assert (
        f'{checkpoint}: 52/52 encoder tensors, pos_embed resized 4x4 -> 8x8, '
        'newly initialised: rel_pos (8), not used: ln1 (2)'
    ) in caplog.text
    assert torch.equal(model.layers[3].ffn.layers[1].weight, source.layers[3].ffn.layers[1].weight)
    with pytest.raises(TypeError, match='checkpont'):
        initialised(init_cfg=dict(type='Pretrained', checkpont='x'))
    torch.save({**tensors, 'head.fc.weight': torch.ones(1)}, checkpoint)
    with pytest.raises(ValueError, match='is a fine-tuned model'):
        initialised(init_cfg=init_cfg)


@pytest.mark.parametrize('window_size', [0, 4])
@pytest.mark.parametrize('rel_pos', [True, False])
def test_drop_path_drops_a_branch_for_whole_images(window_size, rel_pos):
    options = dict(window_size=window_size, global_blocks=1, with_cls_token=False)
    model = initialised(**options, rel_pos=rel_pos, drop_path_rate=0.5)
    layer, images = model.layers[-2], torch.randn(64, 3, 32, 32)
    rate = layer.drop_path.drop_prob
    assert 0.3 < rate < 0.5
    inputs, outputs = [], []
    layer.attn.register_forward_hook(lambda module, args, output: inputs.append(output))
    layer.ln2.register_forward_pre_hook(lambda module, args: outputs.append(args[0]))
    before = []
    layer.ln1.register_forward_pre_hook(lambda module, args: before.append(args[0]))
    torch.manual_seed(1)
    model.train()(images)
    (residual,), (result,) = before, outputs
    branch = (result - residual).flatten(1).abs()  # (N, L * D)
    dropped = (branch == 0).all(1)
    assert (dropped | (branch > 0).float().mean(1).gt(0.99)).all()  # wholly or not at all
    assert abs(dropped.float().mean() - rate) < 0.2
    attended = inputs[0]
    if window_size:
        attended = reunite(attended, window_size, (8, 8)).flatten(1, 2)
    kept = ~dropped
    torch.testing.assert_close(
        (result - residual)[kept], attended[kept] / (1 - rate), atol=1e-5, rtol=1e-4
    )


def test_mmpretrain_s_small_is_noted(caplog):
    MMLogger.get_instance('small').addHandler(caplog.handler)
    with torch.device('meta'):
        DownstreamViT('deit-s')
        assert 'ViT-S' not in caplog.text
        DownstreamViT('small')
    assert "ViT-S, of width 384 and 12 blocks, is arch='deit-s'" in caplog.text


def test_tokens_are_dropped_out_after_the_position_embedding():
    model, images = initialised(drop_rate=0.5), torch.randn(4, 3, 32, 32)
    model.eval()
    kept = model.embed(images)[0]
    tokens = model.train().embed(images)[0]
    dropped = tokens == 0
    assert 0.4 < dropped.float().mean() < 0.6
    torch.testing.assert_close(tokens[~dropped], 2 * kept[~dropped])
