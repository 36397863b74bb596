"""The hybrid encoder's checkpoints, ours and ConvMAE's."""

import re

import pytest
import torch

from cmae_mm.checkpoints import convert_file, load_encoder, load_state_dict
from cmae_mm.checkpoints.encoder import load_encoder_tensors
from cmae_mm.checkpoints.hybrid import export_convmae, import_convmae
from cmae_mm.downstream import DownstreamViT
from cmae_mm.models import HybridViT
from tests.helpers.process import process_here
from tests.helpers.tiny import ARCH, HYBRID


def hybrid(**overrides):
    """With every tensor drawn, so that no two are alike."""
    torch.manual_seed(0)
    encoder = HybridViT(**{**HYBRID, **overrides})
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, mean=0.1, std=0.3)
    return encoder


def released(**beside):
    """A checkpoint in the released names, without fusion and decoder, as those are."""
    tensors = {
        name: tensor
        for name, tensor in export_convmae(hybrid().state_dict()).items()
        if 'output_decode' not in name
    }
    return {**tensors, **beside}


def test_released_names_and_shapes():
    tensors = export_convmae(hybrid().state_dict())
    shapes = {
        'pos_embed': (1, 16, 24),
        'patch_embed1.proj.weight': (8, 3, 1, 1),
        'patch_embed2.norm.bias': (12,),
        'patch_embed4.weight': (24, 24),
        'blocks1.0.conv1.weight': (8, 8, 1, 1),
        'blocks1.0.attn.weight': (8, 1, 5, 5),
        'blocks2.1.conv2.bias': (12,),
        'blocks2.1.mlp.fc1.weight': (24, 12, 1, 1),
        'blocks3.1.attn.qkv.weight': (72, 24),
        'blocks3.1.mlp.fc2.weight': (24, 48),
        'norm.weight': (24,),
        'stage1_output_decode.weight': (24, 8, 4, 4),
        'stage2_output_decode.weight': (24, 12, 2, 2),
    }
    assert {name: tuple(tensors[name].shape) for name in shapes} == shapes
    assert len(tensors) == len(hybrid().state_dict())


def test_every_tensor_comes_back():
    original = hybrid().state_dict()
    found = import_convmae(export_convmae(original))
    assert found.keys() == original.keys()
    assert all(found[name].equal(tensor) for name, tensor in original.items())


def test_tool_reads_a_released_checkpoint_and_writes_one(tmp_path):
    source, ours, back = (tmp_path / f'{name}.pth' for name in ('source', 'ours', 'back'))
    torch.save({'model': released(**{'head.weight': torch.ones(2)}), 'epoch': 1}, source)
    process = process_here('convert_checkpoint.py', source, ours)
    assert process.returncode == 0, process.stderr
    assert 'as cmae (stages of convolutions of width 8 and 12, then width 24, depth 2, patch 4' in (
        process.stdout
    )
    assert process.stdout.rstrip().endswith('left out: head 1')
    encoder = hybrid(fusion=False)
    report = load_encoder(encoder, ours)
    assert str(report) == f'{len(encoder.state_dict())}/{len(encoder.state_dict())} encoder tensors'
    convert_file(ours, back, to='convmae')
    found = torch.load(back, weights_only=True)['model']
    assert found.keys() == released().keys()
    assert all(found[name].equal(tensor) for name, tensor in released().items())


def test_position_embedding_is_loaded_and_resized():
    tensors = {f'backbone.{name}': t for name, t in import_convmae(released()).items()}
    encoder = hybrid(img_size=(16, 32), fusion=False)
    report = load_encoder_tensors(encoder, tensors, 'x')
    assert report.resized == ((4, 4), (4, 8))
    same = hybrid(fusion=False)
    torch.nn.init.zeros_(same.pos_embed)
    load_encoder_tensors(same, tensors, 'x')
    assert same.pos_embed.equal(released()['pos_embed'])


def test_fusion_is_left_out_and_said(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({f'backbone.{name}': t for name, t in hybrid().state_dict().items()}, path)
    assert str(load_encoder(hybrid(fusion=False), path)).endswith('not used: fusion (4)')


def plain(**overrides):
    fields = dict(arch=ARCH, img_size=16, patch_size=4, out_type='raw') | overrides
    return DownstreamViT(**fields)


HYBRID_SIZE = (
    'stages of convolutions of width 8 and 12, then width 24, depth 2, patch 4, 3 channels'
)
PLAIN_SIZE = 'width 24, depth 2, patch 4, 3 channels'


@pytest.mark.parametrize(
    'there, here, message',
    [
        (hybrid, plain, f"it has {HYBRID_SIZE}, the config's encoder {PLAIN_SIZE}"),
        (plain, hybrid, f"it has {PLAIN_SIZE}, the config's encoder {HYBRID_SIZE}"),
    ],
    ids=['hybrid into plain', 'plain into hybrid'],
)
def test_the_other_kind_of_encoder_is_one_clear_line(tmp_path, there, here, message):
    path = tmp_path / 'a.pth'
    torch.save({f'backbone.{name}': t for name, t in there().state_dict().items()}, path)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_encoder(here(), path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('prefix', ['backbone.', ''])
def test_a_released_checkpoint_must_be_converted_first(tmp_path, prefix):
    torch.save({'model': released()}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='its names are those of ConvMAE: tools/convert_ch'):
        load_encoder(hybrid(), tmp_path / 'a.pth', prefix=prefix)


@pytest.mark.parametrize(
    'tensors, to, message',
    [
        (released, 'timm', "'timm' holds plain Vision Transformers, this is a hybrid encoder"),
        (lambda: released(extra=torch.ones(1)), None, 'extra does not belong to the encoder'),
        (
            lambda: {n: t for n, t in released().items() if n != 'blocks2.1.attn.bias'},
            None,
            '1 tensors of the hybrid encoder are missing, first blocks2.1.attn.bias',
        ),
        (lambda: hybrid().state_dict(), None, 'in the names of this package: choose others'),
        (lambda: plain().state_dict(), 'convmae', "'convmae' holds hybrid encoders"),
    ],
)
def test_what_can_not_be_converted_is_an_error(tmp_path, tensors, to, message):
    torch.save(tensors(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=message):
        convert_file(tmp_path / 'a.pth', tmp_path / 'b.pth', to=to)
    assert not (tmp_path / 'b.pth').exists()


def test_online_encoder_of_a_whole_model_is_taken(tmp_path):
    tensors = {f'target_backbone.{n}': t + 1 for n, t in hybrid(fusion=False).state_dict().items()}
    tensors.update({f'backbone.{n}': t for n, t in hybrid().state_dict().items()})
    torch.save({'state_dict': tensors}, tmp_path / 'a.pth')
    line = convert_file(tmp_path / 'a.pth', tmp_path / 'b.pth', to='mmpretrain')
    assert f'left out: target_backbone {len(tensors) // 2 - 2}' in line
    found = load_state_dict(tmp_path / 'b.pth')
    assert found['patch_embed.linear.bias'].equal(tensors['backbone.patch_embed.linear.bias'])
