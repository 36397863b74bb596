from pathlib import Path

import pytest
import safetensors
import torch
from mmengine.config import ConfigDict
from mmpretrain.models import VisionTransformer
from timm.models.vision_transformer import VisionTransformer as TimmViT
from timm.models.vision_transformer import vit_base_patch16_224
from torch import nn

from cmae_mm.checkpoints import (
    FORMATS,
    convert_file,
    export_encoder,
    import_encoder,
    load_state_dict,
    save_tensors,
)
from tests.helpers.process import process_here
from tests.helpers.tiny import ARCH, tiny_model

WIDTH, DEPTH, HEADS = ARCH['embed_dims'], ARCH['num_layers'], ARCH['num_heads']


def encoder(size=16, patch=4, seed=0, **kwargs):
    """mmpretrain's, with every tensor drawn, so that no two are alike."""
    fields = dict(arch=ARCH, img_size=size, patch_size=patch, out_type='raw') | kwargs
    model = VisionTransformer(**fields)
    model.eval()  # which returns nothing here
    torch.manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return model


def timm_encoder(size=16, patch=4, **kwargs):
    fields = dict(
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        mlp_ratio=ARCH['feedforward_channels'] / WIDTH,
        num_classes=0,
    )
    return TimmViT(img_size=size, patch_size=patch, **{**fields, **kwargs}).eval()


def images(size=16):
    generator = torch.Generator().manual_seed(1)
    size = (size, size) if isinstance(size, int) else size
    return torch.randn(2, 3, *size, generator=generator)


def exported(model, to):
    return export_encoder(import_encoder(model.state_dict()), to)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('patch', [4, 8])
@pytest.mark.parametrize('final_norm', [True, False])
@pytest.mark.parametrize('to', [name for name in FORMATS if name != 'vitdet'])
def test_every_tensor_comes_back(to, final_norm, patch):
    original = encoder(patch=patch, final_norm=final_norm).state_dict()
    found = import_encoder(export_encoder(import_encoder(original), to))
    assert_same(found.tensors, original)
    assert found.format == {'cmae': 'mmpretrain', 'mae': 'timm'}.get(to, to)
    assert found.left_out == {}
    assert found.architecture == (WIDTH, DEPTH, (patch, patch), 3)
    assert found.num_patches == (16 // patch) ** 2


def test_all_but_class_token_and_final_norm_come_back_from_vitdet():
    original = encoder().state_dict()
    exported = export_encoder(import_encoder(original), 'vitdet')
    assert exported['pos_embed'].shape == (1, 1 + 16, WIDTH)
    found = import_encoder(exported)
    expected = {
        name: tensor
        for name, tensor in original.items()
        if name != 'cls_token' and not name.startswith('ln1.')
    }
    expected['pos_embed'] = original['pos_embed'][:, 1:]  # one position a patch
    assert_same(found.tensors, expected)
    assert found.num_patches == 16
    assert (
        str(found)
        == 'width 24, depth 2, patch 4, 3 channels, positions 4x4, no class token, no final norm'
    )
    again = export_encoder(found, 'vitdet')
    assert_same(
        {**again, 'pos_embed': again['pos_embed'][:, 1:]},
        {**exported, 'pos_embed': exported['pos_embed'][:, 1:]},
    )


def test_names_of_vitdet():
    tensors = exported(encoder(), 'vitdet')
    parts = ('attn.proj', 'attn.qkv', 'mlp.fc1', 'mlp.fc2', 'norm1', 'norm2')
    modules = ['patch_embed.proj', *(f'blocks.{n}.{part}' for n in range(DEPTH) for part in parts)]
    names = {f'{module}.{kind}' for module in modules for kind in ('weight', 'bias')}
    assert tensors.keys() == {'pos_embed', *names}


@pytest.mark.parametrize('to', ['timm', 'mae'])
@pytest.mark.parametrize('size', [16, (16, 24)])
@pytest.mark.parametrize('final_norm', [True, False])
def test_features_are_timms(final_norm, size, to):
    model, other = encoder(size, final_norm=final_norm), timm_encoder(size, final_norm=final_norm)
    other.load_state_dict(exported(model, to), strict=True)
    with torch.no_grad():
        assert_close(other.forward_features(images(size)), model(images(size))[0])


def test_features_of_timms_encoder_are_ours():
    torch.manual_seed(0)
    other = timm_encoder(init_values=0.5)  # with learnable scales
    for parameter in other.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    found = import_encoder(other.state_dict())
    model = encoder()
    model.load_state_dict(found.tensors, strict=True)
    with torch.no_grad():
        assert_close(model(images())[0], other.forward_features(images()))


def test_patch_tokens_without_a_class_token_are_vitdets():
    model = encoder()
    tensors = exported(model, 'vitdet')
    # ViTDet's forward without windows: the class token's position is dropped
    other = timm_encoder(class_token=False, global_pool='avg', final_norm=False, fc_norm=False)
    other.load_state_dict({**tensors, 'pos_embed': tensors['pos_embed'][:, 1:]}, strict=True)
    plain = encoder(with_cls_token=False, final_norm=False, seed=2)
    plain.load_state_dict(import_encoder(tensors).tensors, strict=True)
    with torch.no_grad():
        expected = other.forward_features(images())
        assert_close(plain(images())[0], expected)
        # as this package's tasks take it from the whole encoder
        state = {n: t for n, t in model.state_dict().items() if n in plain.state_dict()}
        plain.load_state_dict(state)
        assert_close(plain(images())[0], expected)


def test_names_and_shapes_of_vit_base_are_timms():
    with torch.device('meta'):
        ours = VisionTransformer('b', out_type='raw')
        theirs = vit_base_patch16_224(num_classes=0)
    shapes = {name: tensor.shape for name, tensor in exported(ours, 'timm').items()}
    assert shapes == {name: tensor.shape for name, tensor in theirs.state_dict().items()}


def mmseg_mae(**kwargs):
    pytest.importorskip('mmcv.ops', reason='mmseg.models needs the operators', exc_type=ImportError)
    from mmseg.models.backbones import MAE

    fields = dict(
        img_size=16,
        patch_size=4,
        embed_dims=WIDTH,
        num_layers=DEPTH,
        num_heads=HEADS,
        mlp_ratio=ARCH['feedforward_channels'] // WIDTH,
        out_indices=list(range(DEPTH)),
        norm_cfg=dict(type='LN', eps=1e-6),  # of mmseg's own MAE config
    )
    model = MAE(**{**fields, **kwargs})
    model.eval()
    return model


@pytest.mark.parametrize('init_values', [0.1, 1.0])
@pytest.mark.parametrize('size', [16, 24])
def test_features_are_mmsegs_by_its_own_loader(tmp_path, size, init_values):
    model = encoder(final_norm=False, out_type='featmap', out_indices=list(range(DEPTH)))
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    convert_file(tmp_path / 'a.pth', tmp_path / 'b.pth', to='mmseg')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'b.pth'))
    other = mmseg_mae(img_size=size, init_values=init_values, init_cfg=init_cfg)
    other.init_weights()
    with torch.no_grad():
        for found, expected in zip(other(images(size)), model(images(size)), strict=True):
            assert_close(found, expected)


def test_features_of_mmsegs_encoder_are_ours():
    other = mmseg_mae(init_values=0.5)
    torch.manual_seed(0)
    for name, parameter in other.named_parameters():
        if 'relative' not in name:
            nn.init.normal_(parameter, mean=0.1, std=0.3)
    model = encoder(final_norm=False, out_type='featmap', out_indices=list(range(DEPTH)))
    found = import_encoder({f'backbone.{n}': t for n, t in other.state_dict().items()})
    assert found.format == 'mmseg' and found.left_out == {'relative positions': 2 * DEPTH}
    model.load_state_dict(found.tensors, strict=True)
    with torch.no_grad():
        for ours, theirs in zip(model(images()), other(images()), strict=True):
            assert_close(ours, theirs)


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'backbone.net.'])
def test_prefixes_are_recognised(prefix):
    model = encoder()
    for to in ('mmpretrain', 'mmseg', 'timm'):
        tensors = {f'{prefix}{name}': tensor for name, tensor in exported(model, to).items()}
        assert_same(import_encoder(tensors).tensors, model.state_dict())


def test_of_a_cmae_checkpoint_the_online_encoder_is_taken():
    model = tiny_model()
    for name, parameter in model.named_parameters():  # else the target would be a copy
        if name.startswith('backbone.'):
            nn.init.normal_(parameter)
    found = import_encoder(model.state_dict())
    assert_same(found.tensors, model.backbone.state_dict())
    counts = {}
    for name in model.state_dict():
        counts[name.split('.')[0]] = counts.get(name.split('.')[0], 0) + 1
    assert counts.pop('backbone') == len(found.tensors)
    assert found.left_out == counts


def test_decoders_and_heads_are_left_out_by_name():
    tensors = exported(encoder(final_norm=False), 'mae')
    beside = {
        'mask_token': 1,
        'decoder_embed.weight': 1,
        'decoder_embed.bias': 1,
        'decoder_blocks.0.norm1.weight': 1,
        'decoder_pos_embed': 1,
        'head.weight': 1,
        'fc_norm.weight': 1,
    }
    found = import_encoder({**tensors, **{name: torch.ones(1) for name in beside}})
    assert found.left_out == {
        'decoder_blocks': 1,
        'decoder_embed': 2,
        'decoder_pos_embed': 1,
        'fc_norm': 1,
        'head': 1,
        'mask_token': 1,
    }
    assert_same(found.tensors, encoder(final_norm=False).state_dict())


def test_trained_relative_positions_are_called_so():
    tensors = exported(encoder(), 'vitdet')
    tensors['blocks.0.attn.rel_pos_h'] = torch.zeros(3, 4)
    tensors['blocks.1.attn.rel_pos_h'] = torch.ones(3, 4)
    left_out = import_encoder(tensors).left_out
    assert left_out == {'relative positions': 1, 'trained relative positions': 1}


def changed(tensors, name, tensor=None):
    """Without one of the tensors, or with another."""
    rest = {key: value for key, value in tensors.items() if key != name}
    return rest if tensor is None else {**rest, name: tensor}


@pytest.mark.parametrize('to', list(FORMATS))
def test_each_missing_tensor_is_named(to):
    tensors = exported(encoder(), to)
    prefix = FORMATS[to].prefix
    norm = {f'{prefix}{module}.{kind}' for module in ('ln1', 'norm') for kind in ('weight', 'bias')}
    stem = {name for name in tensors if name.endswith(('embed.proj.weight', 'projection.weight'))}
    for name in tensors.keys() - norm - stem:
        with pytest.raises(ValueError, match='missing|no position') as error:
            import_encoder(changed(tensors, name))
        assert name in str(error.value) and '\n' not in str(error.value)
    for name in norm & tensors.keys():  # half a norm
        with pytest.raises(ValueError, match=f'missing, first {name}: '):
            import_encoder(changed(tensors, name))


@pytest.mark.parametrize('to', list(FORMATS))
def test_each_tensor_of_another_width_is_named(to):
    tensors = exported(encoder(), to)
    stem = next(n for n in tensors if n.endswith(('embed.proj.weight', 'projection.weight')))
    for name, tensor in tensors.items():
        if name == stem:
            continue
        wider = torch.ones(*tensor.shape[:-1], tensor.shape[-1] + 1)
        with pytest.raises(ValueError, match='has shape .*, expected .*') as error:
            import_encoder(changed(tensors, name, wider))
        assert str(error.value).startswith(f'{name} ') and '\n' not in str(error.value)


@pytest.mark.parametrize(
    'name, tensor, message',
    [
        (
            'blocks.0.attn.q_norm.weight',
            torch.ones(12),
            'blocks.0.attn.q_norm.weight does not belong',
        ),
        ('dist_token', torch.ones(1, 1, WIDTH), 'dist_token does not belong'),
        ('blocks.0.ls1.gamma', torch.ones(WIDTH), '3 tensors .* first blocks.1.ls1.gamma'),
        ('pos_embed', torch.ones(1, 16, WIDTH), 'class token seems to have none'),
        ('patch_embed.proj.weight', torch.ones(WIDTH, 48), r'\(24, 48\), expected \(width, chan'),
        ('cls_token', None, 'first cls_token: '),
    ],
)
def test_another_architecture_is_an_error(name, tensor, message):
    with pytest.raises(ValueError, match=message):
        import_encoder(changed(exported(encoder(), 'timm'), name, tensor))


def test_a_block_that_is_missing_is_named():
    tensors = exported(encoder(arch={**ARCH, 'num_layers': 3}), 'timm')
    tensors = {name: tensor for name, tensor in tensors.items() if 'blocks.1.' not in name}
    with pytest.raises(ValueError, match='12 tensors .* first blocks.1.norm1.weight.*3 blocks'):
        import_encoder(tensors)


def test_another_network_says_what_was_found_and_expected():
    with pytest.raises(ValueError, match=r'found bn1.weight, conv1.weight, ... \(2.*timm') as error:
        import_encoder({'conv1.weight': torch.ones(1), 'bn1.weight': torch.ones(1)})
    assert '\n' not in str(error.value)


def test_what_a_format_can_not_hold_is_an_error():
    with pytest.raises(ValueError, match="'onnx'.*mmpretrain, cmae, mmseg, vitdet, timm, mae"):
        exported(encoder(), 'onnx')
    with pytest.raises(ValueError, match="'vitdet' takes .* square grid.* 24 patches"):
        exported(encoder((16, 24)), 'vitdet')
    without = import_encoder(exported(encoder(), 'vitdet'))
    for to in ('mmseg', 'timm', 'mae'):
        with pytest.raises(ValueError, match='class token.*from mmpretrain, cmae, vitdet'):
            export_encoder(without, to)


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_files_hold_the_tensors_and_nothing_else(tmp_path, suffix):
    whole = torch.arange(1000.0).view(10, 100)
    tensors = {'part': whole[:2].T, 'parameter': nn.Parameter(whole[3]), 'again': whole[3]}
    path = tmp_path / f'a.{suffix}'
    save_tensors(path, tensors)
    assert_same(load_state_dict(path), tensors)
    assert path.stat().st_size < 2 * 4 * 400 + 2000  # of 300 or, padded, a few more numbers
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    (tmp_path / 'usual').touch()
    assert path.stat().st_mode == (tmp_path / 'usual').stat().st_mode
    if suffix == 'pth':
        assert torch.load(path, weights_only=True).keys() == tensors.keys()
    else:
        with safetensors.safe_open(path, 'pt') as file:
            assert file.metadata() == {'format': 'pt'}


def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch):
    def fail(tensors, file):
        file.write(b'half')
        try:
            raise OSError(28, 'No space left on device')
        except OSError:
            raise RuntimeError('unexpected pos')  # noqa: B904  as torch does

    (tmp_path / 'a.pth').write_text('before')
    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(
        OSError, match=r'a.pth.* was not written \(No space left on device; [\d.]+ GiB are free'
    ):
        save_tensors(tmp_path / 'a.pth', {'a': torch.ones(1)})
    assert [file.read_text() for file in tmp_path.iterdir()] == ['before']


@pytest.mark.parametrize('to', list(FORMATS))
def test_a_file_is_where_its_program_looks(tmp_path, to):
    model = encoder()
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    convert_file(tmp_path / 'a.pth', tmp_path / 'b.pth', to=to)
    content = torch.load(tmp_path / 'b.pth', weights_only=True)
    container = {'cmae': 'state_dict', 'vitdet': 'model', 'mae': 'model'}.get(to)
    assert_same(content[container] if container else content, exported(model, to))


@pytest.mark.parametrize('to, fields', [('mmpretrain', {}), ('cmae', {'prefix': 'backbone.'})])
def test_mmpretrain_starts_from_the_file(tmp_path, to, fields):
    model = encoder()
    torch.save({'model': exported(model, 'mae')}, tmp_path / 'mae.pth')
    convert_file(tmp_path / 'mae.pth', tmp_path / 'b.pth', to=to)
    init_cfg = ConfigDict(type='Pretrained', checkpoint=str(tmp_path / 'b.pth'), **fields)
    other = encoder(seed=3, init_cfg=init_cfg)
    other.init_weights()
    assert_same(other.state_dict(), model.state_dict())


def run_tool(*arguments):
    return process_here('convert_checkpoint.py', *arguments)


def test_tool_says_in_one_line_what_it_wrote(tmp_path):
    tensors = {**exported(encoder(), 'mae'), 'mask_token': torch.ones(1)}
    torch.save({'model': tensors}, tmp_path / 'mae.pth')
    process = run_tool(tmp_path / 'mae.pth', tmp_path / 'b.safetensors')
    assert process.stdout == (
        f'{tmp_path}/b.safetensors: 30 tensors as cmae (width 24, depth 2, patch 4, '
        '3 channels, positions 4x4); left out: mask_token 1\n'
    ), process.stderr
    found = load_state_dict(tmp_path / 'b.safetensors')
    assert_same(found, exported(encoder(), 'cmae'))
    assert all(name.startswith('backbone.') for name in found)


def test_what_a_program_lacks_is_among_what_was_left_out(tmp_path):
    torch.save(encoder().state_dict(), tmp_path / 'a.pth')
    line = convert_file(tmp_path / 'a.pth', tmp_path / 'b.pth', to='vitdet')
    assert '26 tensors' not in line and '27 tensors as vitdet' in line
    assert line.endswith('left out: cls_token 1, ln1 2')


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['a.pth', 'b.bin', '--to', 'timm'], "ends in '.bin': expected .safetensors or .pth"),
        (['a.pth', 'b', '--to', 'timm'], "ends in 'nothing'"),
        (['a.pth', 'no/b.pth', '--to', 'timm'], 'no folder'),
        (['a.pth', 'folder.pth', '--to', 'timm'], 'is a folder'),
        (['missing.pth', 'b.pth'], 'no checkpoint'),
        (['a.pth', 'b.pth'], '--to mmpretrain|cmae|mmseg|vitdet|timm|mae, or --from published'),
        (['a.pth', 'b.pth', '--to', 'timm', '--keep-channels'], '--from published'),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder.pth').mkdir()
    torch.save(encoder().state_dict(), 'a.pth')
    source, target, *rest = arguments
    options = dict(to=rest[1] if rest else None, keep_channels='--keep-channels' in rest)
    with pytest.raises((ValueError, OSError)) as error:
        convert_file(source, target, **options)
    assert message in str(error.value) and '\n' not in str(error.value)
    assert not Path('b.pth').exists()


def test_a_checkpoint_is_not_written_over_itself(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': {}}, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match='a.pth. is the checkpoint itself'):
        convert_file(path, tmp_path / '.' / 'a.pth', 'timm')
    assert path.read_bytes() == before


def test_tool_reports_errors_in_one_line(tmp_path):
    torch.save({'conv1.weight': torch.ones(1)}, tmp_path / 'a.pth')
    process = run_tool(tmp_path / 'a.pth', tmp_path / 'b.pth', '--to', 'timm')
    assert process.returncode == 1 and not process.stdout
    assert process.stderr.startswith('error: no Vision Transformer of a known format: found conv1')
    assert len(process.stderr.splitlines()) == 1
    assert not (tmp_path / 'b.pth').exists()
