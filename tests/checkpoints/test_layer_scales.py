import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.checkpoints import (
    export_encoder,
    import_encoder,
    load_encoder,
    load_state_dict,
    load_weights,
    require_fit,
)
from cmae_mm.checkpoints.layer_scales import fold_layer_scales
from tests.helpers.tiny import ARCH

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def encoder(kind, scale=0.0):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type=kind,
            arch=ARCH,
            img_size=16,
            patch_size=4,
            out_type='raw',
            layer_scale_init_value=scale,
        )
    )
    model.init_weights()
    model.eval()
    return model


@pytest.fixture
def scaled():
    """A pre-training encoder whose scales and biases differ from each other."""
    model = encoder('CMAEViT', scale=0.1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-1, 1)
    return model


@pytest.fixture
def checkpoint(scaled, tmp_path):
    path = tmp_path / 'pretrained.pth'
    torch.save({f'backbone.{name}': t for name, t in scaled.state_dict().items()}, path)
    return path


class Pretraining(torch.nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


def test_weights_of_another_run_are_folded_where_the_model_has_no_scales(scaled, checkpoint):
    model = Pretraining(encoder('CMAEViT'))
    report = load_weights(model, load_state_dict(checkpoint))
    assert 'not used' not in report
    with torch.no_grad():
        found = model.backbone.encode_visible(IMAGES, None)
        torch.testing.assert_close(found, scaled.encode_visible(IMAGES, None), rtol=1e-5, atol=1e-5)


def test_weights_of_another_depth_are_refused(checkpoint):
    model = Pretraining(encoder('CMAEViT'))
    require_fit(checkpoint, model, whole=False)
    model.backbone.layers.append(model.backbone.layers[0])
    with pytest.raises(ValueError, match='an encoder of 2 blocks, the model one of 3'):
        require_fit(checkpoint, model, whole=False)


@pytest.mark.parametrize('kind', ['VisionTransformer', 'DownstreamViT'])
@pytest.mark.parametrize('scale, folded', [(0.0, 4), (0.1, 0)])
def test_features_are_those_of_pretraining(scaled, checkpoint, kind, scale, folded):
    model = encoder(kind, scale)
    report = load_encoder(model, checkpoint)
    assert report.folded == folded and report.loaded == report.expected and not report.unused
    assert ('4 layer scales folded' in str(report)) == bool(folded)
    with torch.no_grad():
        found, expected = model(IMAGES)[-1], scaled.encode_visible(IMAGES, None)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        unscaled = encoder(kind)
        kept = {n: t for n, t in scaled.state_dict().items() if n in unscaled.state_dict()}
        unscaled.load_state_dict(kept)
        assert (unscaled(IMAGES)[-1] - expected).abs().max() > 0.1


def test_exported_encoders_have_no_scales(scaled):
    found = {f'backbone.{name}': tensor for name, tensor in scaled.state_dict().items()}
    plain = encoder('VisionTransformer')
    plain.load_state_dict(export_encoder(import_encoder(found), 'mmpretrain'))
    with torch.no_grad():
        torch.testing.assert_close(
            plain(IMAGES)[-1], scaled.encode_visible(IMAGES, None), rtol=1e-5, atol=1e-5
        )


def test_a_scale_without_its_layer_is_refused():
    with pytest.raises(ValueError, match=r'gamma1.weight has shape \(3\), expected none'):
        fold_layer_scales({'layers.0.attn.gamma1.weight': torch.ones(3)})
