import math

import pytest
import torch
from mmpretrain.models import VisionTransformer

from cmae_mm.checkpoints.encoder import load_encoder, load_encoder_tensors, require_pretrained

ARCH = dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=48)


def encoder(size=16, **kwargs):
    fields = dict(arch=ARCH, img_size=size, patch_size=4, out_type='raw') | kwargs
    return VisionTransformer(**fields)


def tensors_of(model, prefix='backbone.', seed=0):
    torch.manual_seed(seed)
    return {prefix + name: torch.randn_like(t) for name, t in model.state_dict().items()}


def test_every_tensor_comes_and_is_counted(tmp_path):
    model, tensors = encoder(), tensors_of(encoder())
    torch.save({'state_dict': {**tensors, 'neck.weight': torch.ones(1)}}, tmp_path / 'a.pth')
    report = load_encoder(model, tmp_path / 'a.pth')
    assert str(report) == '30/30 encoder tensors'
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tensors['backbone.' + name])


def test_what_a_task_adds_or_leaves_is_reported():
    model = encoder(final_norm=False, out_type='avg_featmap')
    report = load_encoder_tensors(model, tensors_of(encoder()), 'x')
    assert str(report) == '28/28 encoder tensors, newly initialised: ln2 (2), not used: ln1 (2)'


def cubic(distance, a=-0.75):
    """Keys' kernel."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def cubic_matrix(there, here):
    matrix = torch.zeros(here, there)
    for row in range(here):
        place = (row + 0.5) * there / here - 0.5
        for column in range(math.floor(place) - 1, math.floor(place) + 3):
            matrix[row, min(max(column, 0), there - 1)] += cubic(place - column)
    return matrix


@pytest.mark.parametrize(
    'size, grid, there, here', [(32, None, '4x4', '8x8'), ((8, 32), (4, 4), '4x4', '2x8')]
)
def test_position_embedding_is_resized_bicubically_to_any_grid(size, grid, there, here):
    model, tensors = encoder(size), tensors_of(encoder())
    report = load_encoder_tensors(model, dict(tensors), 'x', grid=grid)
    assert f'pos_embed resized {there} -> {here}' in str(report)
    original = tensors['backbone.pos_embed']
    assert torch.equal(model.pos_embed[:, 0], original[:, 0])
    height, width = model.patch_resolution
    expected = torch.einsum(
        'hi,wj,ijd->hwd',
        cubic_matrix(4, height),
        cubic_matrix(4, width),
        original[0, 1:].reshape(4, 4, 24),
    )
    torch.testing.assert_close(model.pos_embed[0, 1:], expected.flatten(0, 1))


def test_grid_of_a_rectangular_position_embedding():
    tensors = tensors_of(encoder((8, 24)))  # 2 x 6 patches
    same = encoder((8, 24))
    assert load_encoder_tensors(same, tensors, 'x').resized is None
    assert torch.equal(same.pos_embed, tensors['backbone.pos_embed'])
    other = encoder((16, 24))
    assert load_encoder_tensors(other, tensors, 'x', grid=(2, 6)).resized == ((2, 6), (4, 6))
    with pytest.raises(ValueError, match=r'12 patches, not of 4x6: give its shape.*grid=\(rows'):
        load_encoder_tensors(other, tensors, 'x')
    long = encoder((8, 32))  # as many as 4 x 4
    with pytest.raises(ValueError, match='16 patches, which may be of 4x4 or of 2x8: give its'):
        load_encoder_tensors(encoder((8, 32)), tensors_of(long), 'x')
    assert load_encoder_tensors(encoder((8, 32)), tensors_of(long), 'x', grid=(2, 8)).loaded


def test_class_token_can_be_left_out():
    model = encoder(with_cls_token=False)
    tensors = tensors_of(encoder())
    report = load_encoder_tensors(model, tensors, 'x')
    assert str(report) == '29/29 encoder tensors, not used: cls_token (1)'
    assert torch.equal(model.pos_embed, tensors['backbone.pos_embed'][:, 1:])


@pytest.mark.parametrize(
    'tensors, prefix, message',
    [
        (tensors_of(encoder(), ''), 'backbone.', r"named backbone\.\*.*the likely prefix is ''"),
        (tensors_of(encoder()), '', "named as an encoder.*the likely prefix is 'backbone.'"),
        ({'patch_embed.proj.weight': torch.ones(1)}, '', 'timm, MAE or ViTDet.*convert_checkpoint'),
        ({'conv1.weight': torch.ones(1)}, 'backbone.', "found 'conv1.weight'.*expected names of"),
        (
            tensors_of(encoder(arch={**ARCH, 'num_layers': 3})),
            'backbone.',
            r'in 12 tensors, first backbone.layers.2.attn.proj.bias: found \(24\), expected none; '
            "it has width 24, depth 3, patch 4, 3 channels, the config's encoder width 24, depth 2",
        ),
        (
            tensors_of(encoder(arch={**ARCH, 'embed_dims': 12})),
            'backbone.',
            r'first backbone.cls_token: found \(1, 1, 12\).*width 12.*width 24',
        ),
        (tensors_of(encoder(in_channels=1)), 'backbone.', '1 channels.*3 channels'),
        (
            {
                **tensors_of(encoder(final_norm=False)),
                **tensors_of(encoder(), 'target_backbone.'),
            },
            'backbone.',
            "first backbone.ln1.bias: found none, .*likely prefix is 'target_backbone.'",
        ),
    ],
)
def test_a_wrong_load_is_one_clear_line(tensors, prefix, message):
    with pytest.raises(ValueError, match=message) as error:
        load_encoder_tensors(encoder(), tensors, 'x', prefix)
    assert '\n' not in str(error.value)


def test_a_checkpoint_must_be_given():
    with pytest.raises(ValueError, match='no checkpoint given: --cfg-options'):
        load_encoder(encoder(), '')


@pytest.mark.parametrize(
    'head', ['predictor.fc0.weight', 'patch_projector.fc0.weight', 'image.queue']
)
def test_heads_of_pre_training_are_not_those_of_tasks(head):
    require_pretrained({f'head.{head}': None, 'neck.x': None}, 'x')


@pytest.mark.parametrize('head', ['head.fc.weight', 'decode_head.x', 'roi_head.bbox_head.x'])
def test_a_fine_tuned_model_is_refused(head):
    with pytest.raises(ValueError, match=f'x is a fine-tuned model .it has a {head.split(".")[0]}'):
        require_pretrained({head: None}, 'x')
