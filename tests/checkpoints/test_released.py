import pytest
import torch
from mmpretrain.models import VisionTransformer

from cmae_mm.checkpoints.released import convert_released
from tests.helpers.process import process_here
from tests.helpers.tiny import ARCH, tiny_model

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


def encoder(tensors):
    model = VisionTransformer(ARCH, img_size=16, patch_size=4, out_type='raw')
    model.load_state_dict(
        {k[len('backbone.') :]: v for k, v in tensors.items() if k.startswith('backbone.')}
    )
    model.eval()
    return model


def test_converted_encoder_takes_rgb_and_gives_the_same_features():
    released = tiny_model().state_dict()
    pixels = torch.randint(0, 256, (4, 3, 16, 16)).float()  # RGB
    as_released = (pixels.flip(1) - MEAN) / STD  # BGR with the statistics of RGB
    as_usual = (pixels - MEAN) / STD
    expected = encoder(released)(as_released)[0]
    found = encoder(convert_released(released))(as_usual)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    unfolded = encoder(convert_released(released, fold_channels=False))
    torch.testing.assert_close(unfolded(as_released)[0], expected)
    assert not torch.allclose(unfolded(as_usual)[0], expected, atol=1e-2)


def test_a_whole_checkpoint_loads_into_the_algorithm_and_its_target_is_folded_too():
    model = tiny_model()
    released = {k: v.clone() for k, v in model.state_dict().items()}
    converted = convert_released(released)
    model.load_state_dict(converted, strict=True)
    for name in ('backbone', 'target_backbone'):
        key = f'{name}.patch_embed.projection.weight'
        assert not converted[key].equal(released[key])


def test_a_perfect_pixel_decoder_stays_one_but_for_the_tint():
    model = tiny_model()
    pixels = torch.randint(0, 256, (1, 3, 16, 16), generator=torch.manual_seed(0)).float()  # RGB
    as_released, as_usual = (pixels.flip(1) - MEAN) / STD, (pixels - MEAN) / STD
    # one token a patch, which the last layer turns into the patch as it should be
    perfect = model.head.construct_target(as_released)[0].T
    weight, bias = 'pixel_decoder.decoder_pred.weight', 'pixel_decoder.decoder_pred.bias'
    noise = torch.randn(len(perfect))
    released = {**model.state_dict(), weight: perfect - noise[:, None], bias: noise}

    def loss(tensors, images):
        predicted = tensors[weight].T + tensors[bias]
        return (predicted - model.head.construct_target(images)[0]).square().mean().item()

    assert loss(released, as_released) == pytest.approx(0, abs=1e-9)
    assert loss(released, as_usual) > 1
    assert loss(convert_released(released), as_usual) < 0.1
    # the tint is that of the swapped statistics and nothing else
    back = (pixels - MEAN.flip(0)) / STD.flip(0)
    assert loss(convert_released(released), back) == pytest.approx(0, abs=1e-9)
    kept = convert_released(released, fold_channels=False)
    assert kept[weight].equal(released[weight]) and kept[bias].equal(released[bias])


def test_an_extracted_backbone_gets_its_prefix():
    released = tiny_model().backbone.state_dict()
    assert set(convert_released(released)) == {f'backbone.{name}' for name in released}


def test_another_programs_checkpoint_is_an_error():
    with pytest.raises(ValueError, match='not a checkpoint of the released CMAE code.*conv1'):
        convert_released({'conv1.weight': torch.ones(1)})


@pytest.mark.parametrize('options', [[], ['--to', 'cmae'], ['--keep-channels']])
def test_tool_carries_all_modules_and_says_so(tmp_path, options):
    model = tiny_model()
    tensors = {**model.state_dict(), 'data_preprocessor.mean': torch.ones(3)}
    process = run_tool(tensors, tmp_path, *options)
    num, num_encoder = len(model.state_dict()), len(model.backbone.state_dict())
    takes = 'BGR' if '--keep-channels' in options else 'RGB'
    assert process.stdout == (
        f'{tmp_path}/out.pth: {num} tensors as cmae, {num_encoder} of them of the encoder (width '
        f'24, depth 2, patch 4, 3 channels, positions 4x4); it takes {takes}; '
        'left out: data_preprocessor 1\n'
    ), process.stderr
    written = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    expected = convert_released(model.state_dict(), fold_channels=takes == 'RGB')
    assert written.keys() == model.state_dict().keys()
    assert all(written[name].equal(tensor) for name, tensor in expected.items())


def test_tool_folds_channels_before_it_exports(tmp_path):
    model = tiny_model()
    process = run_tool(model.state_dict(), tmp_path, '--to', 'timm')
    assert '30 tensors as timm' in process.stdout and 'it takes RGB' in process.stdout
    expected = convert_released(model.state_dict())['backbone.patch_embed.projection.weight']
    assert torch.load(tmp_path / 'out.pth')['patch_embed.proj.weight'].equal(expected)


def run_tool(tensors, folder, *options):
    torch.save(dict(state_dict=tensors, author='CMAE'), folder / 'released.pth')
    files = (folder / 'released.pth', folder / 'out.pth')
    return process_here('convert_checkpoint.py', *files, '--from', 'published', *options)
