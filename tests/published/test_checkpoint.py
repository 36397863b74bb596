import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmpretrain.models import VisionTransformer

from cmae_mm.engine.checkpoint import load_state_dict
from cmae_mm.published.checkpoint import convert

from ..models.tiny import ARCH, tiny_model

ROOT = Path(__file__).parents[2]
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
    found = encoder(convert(released))(as_usual)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    unfolded = encoder(convert(released, fold_channels=False))
    torch.testing.assert_close(unfolded(as_released)[0], expected)
    assert not torch.allclose(unfolded(as_usual)[0], expected, atol=1e-2)


def test_a_whole_checkpoint_loads_into_the_algorithm_and_its_target_is_folded_too():
    model = tiny_model()
    released = {k: v.clone() for k, v in model.state_dict().items()}
    converted = convert(released)
    model.load_state_dict(converted, strict=True)
    for name in ('backbone', 'target_backbone'):
        key = f'{name}.patch_embed.projection.weight'
        assert not converted[key].equal(released[key])


def test_an_extracted_backbone_gets_its_prefix():
    released = tiny_model().backbone.state_dict()
    assert set(convert(released)) == {f'backbone.{name}' for name in released}


def test_another_programs_checkpoint_is_an_error():
    with pytest.raises(ValueError, match='not a checkpoint of the released CMAE code.*conv1'):
        convert({'conv1.weight': torch.ones(1)})


def test_tool_says_how_many_tensors_it_carried(tmp_path):
    model = tiny_model()
    tensors = {**model.state_dict(), 'data_preprocessor.mean': torch.ones(3)}
    torch.save(dict(state_dict=tensors, author='CMAE'), tmp_path / 'released.pth')
    process = subprocess.run(
        [
            sys.executable,
            ROOT / 'tools/convert_checkpoint.py',
            tmp_path / 'released.pth',
            tmp_path / 'out.pth',
        ],
        capture_output=True,
        text=True,
    )
    num, num_encoder = len(model.state_dict()), len(model.backbone.state_dict())
    assert f'{num} of {num + 1} tensors carried, {num_encoder} of them' in process.stdout
    torch.load(tmp_path / 'out.pth', weights_only=True)
    assert load_state_dict(tmp_path / 'out.pth').keys() == model.state_dict().keys()
