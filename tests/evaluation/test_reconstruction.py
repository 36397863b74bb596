import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from cmae_mm.evaluation import (
    build_pretrained,
    can_reconstruct,
    image_grid,
    reconstruct,
    save_reconstructions,
)
from cmae_mm.evaluation.reconstruction import _HIDDEN, _TILE
from cmae_mm.models import CMAEDataPreprocessor, build_model
from tests.helpers.tiny import (
    ARCH,
    DECODER,
    HYBRID,
    initial_state,
    tiny_cae,
    tiny_config,
    tiny_model,
)

SCALE = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0])


def images(num=3, channels=3, size=(16, 16)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(128, 256, (num, channels, *size), dtype=torch.uint8, generator=generator)


def config(**overrides):
    model = tiny_config(**overrides)
    model.data_preprocessor.update(SCALE)
    return Config(dict(model=model))


class Oracle:
    """In place of a model: knows the image, hides its left half."""

    data_preprocessor = CMAEDataPreprocessor(**SCALE)

    def reconstruct(self, inputs):
        mask = torch.zeros(len(inputs), 1, *inputs.shape[2:])
        mask[..., : inputs.shape[3] // 2] = 1
        return inputs, mask


def test_visible_pixels_are_the_images_own_and_hidden_ones_are_not():
    torch.manual_seed(0)
    masked, filled = reconstruct(tiny_model().eval(), images())
    hidden = (masked == _HIDDEN).all(dim=1, keepdim=True)  # images are brighter
    assert hidden.float().mean() == 0.5  # the model's mask ratio
    assert torch.equal(torch.where(hidden, 0, masked), torch.where(hidden, 0, images()))
    assert torch.equal(torch.where(hidden, 0, filled), torch.where(hidden, 0, images()))
    assert (filled != images())[hidden.expand_as(filled)].float().mean() > 0.9


def mae():
    """mmpretrain's own."""
    encoder = dict(type='MAEViT', arch=ARCH, img_size=16, patch_size=4, mask_ratio=0.5)
    decoder = {k: v for k, v in DECODER.items() if k != 'mlp_ratio'}
    config = dict(
        type='MAE',
        backbone=encoder,
        neck=dict(type='MAEPretrainDecoder', num_patches=16, patch_size=4, embed_dim=24, **decoder),
        head=dict(
            type='MAEPretrainHead',
            norm_pix=True,
            patch_size=4,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        data_preprocessor=dict(type='CMAEDataPreprocessor', **SCALE),
    )
    torch.manual_seed(0)
    return build_model(Config(dict(model=config)))


def convmae():
    neck = dict(type='CMAEPixelDecoder', decoder_depth=1, **DECODER)
    config = dict(
        type='MaskedReconstruction',
        backbone=dict(HYBRID, type='HybridViT'),
        neck=neck,
        head=dict(type='ReconstructionHead'),
        data_preprocessor=dict(type='CMAEDataPreprocessor', **SCALE),
    )
    return build_model(Config(dict(model=config)))


def hybrid():
    return tiny_model(backbone=dict(HYBRID, type='HybridViT'))


def cae():
    scale = dict(type='CAEDataPreprocessor', **SCALE)
    return tiny_cae(backbone=dict(img_size=16), data_preprocessor=scale)


@pytest.mark.parametrize('build', [mae, convmae, hybrid, cae])
def test_every_method_that_predicts_pixels_reconstructs(build):
    torch.manual_seed(0)
    model = build().eval()
    assert can_reconstruct(model)
    masked, filled = reconstruct(model, images())
    hidden = (masked == _HIDDEN).all(dim=1, keepdim=True)
    assert hidden.float().mean() == 0.5
    assert torch.equal(torch.where(hidden, 0, filled), torch.where(hidden, 0, images()))
    # each hidden patch has the mean of the true one, which norm_pix gives it
    means = [torch.nn.functional.avg_pool2d(x.float(), 4).mean(dim=1) for x in (filled, images())]
    assert (means[0] - means[1]).abs().mean() < 20
    assert (filled != images())[hidden.expand_as(filled)].float().mean() > 0.9


def test_the_hosts_mae_reconstructs_the_patches_that_it_hides(monkeypatch):
    model = mae().eval()
    truth = model.data_preprocessor({'inputs': images()})['inputs']

    def knows(latent, ids_restore):
        patches = model.head.patchify(truth)
        mean, var = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
        return (patches - mean) / (var + 1e-6).sqrt()

    monkeypatch.setattr(model.neck, 'forward', knows)
    assert torch.equal(reconstruct(model, images())[1], images())


def test_a_perfect_prediction_gives_the_image():
    masked, filled = reconstruct(Oracle(), images())
    assert torch.equal(filled, images())
    assert (masked[..., :8] == _HIDDEN).all() and torch.equal(masked[..., 8:], images()[..., 8:])


def test_masks_follow_the_seed():
    model = tiny_model().eval()
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(reconstruct(model, images())[0])
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_grid_holds_every_pixel_enlarged_by_a_whole_factor():
    rows = [images(2, size=(10, 30)), images(2, size=(10, 30)) // 2]
    grid = image_grid(rows)
    factor, gap = 4, 4
    assert grid.shape == (3, 2 * 10 * factor + gap, 2 * 30 * factor + gap)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            top, left = r * (10 * factor + gap), c * (30 * factor + gap)
            tile = grid[:, top : top + 10 * factor, left : left + 30 * factor]
            assert torch.equal(tile[:, 1::factor, 1::factor], image)
    assert (grid[:, 40:44] == 255).all() and (grid[:, :, 120:124] == 255).all()


@pytest.mark.parametrize('channels, size', [(1, (16, 16)), (3, (8, 24))])
def test_png_of_grey_and_rectangular_images(tmp_path, channels, size):
    overrides = dict(backbone__img_size=size, backbone__in_channels=channels)
    scale = dict(mean=[100.0] * channels, std=[50.0] * channels)
    data_preprocessor = dict(type='CMAEDataPreprocessor', **scale)
    model = tiny_model(**overrides, data_preprocessor=data_preprocessor).eval()
    originals = images(2, channels, size)
    save_reconstructions(model, originals, tmp_path / 'x.png')
    drawn = np.atleast_3d(np.asarray(Image.open(tmp_path / 'x.png')))
    factor = _TILE // max(size)
    first = drawn[: size[0] * factor : factor, : size[1] * factor : factor]
    assert np.array_equal(first, originals[0].permute(1, 2, 0))


def test_other_numbers_of_channels_can_not_be_drawn(tmp_path):
    with pytest.raises(ValueError, match='2 channels'):
        save_reconstructions(Oracle(), images(channels=2), tmp_path / 'x.png')


def test_the_model_is_the_checkpoints(tmp_path):
    state = initial_state(config())
    torch.save({'state_dict': state}, tmp_path / 'a.pth')
    model = build_pretrained(config(), tmp_path / 'a.pth')
    assert not model.training
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())


def test_without_a_checkpoint_the_model_is_a_new_one():
    model = build_pretrained(config(), None)
    assert not model.training and model.backbone.cls_token.std() > 0


def test_checkpoint_of_another_model_or_model_without_reconstruction(tmp_path):
    torch.save({'state_dict': {'fc.weight': torch.ones(2)}}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='of another program or model'):
        build_pretrained(config(), tmp_path / 'a.pth')
    other = Config(dict(model=dict(type='ImageClassifier', backbone=dict(type='LeNet5'))))
    with pytest.raises(ValueError, match='ImageClassifier cannot reconstruct'):
        build_pretrained(other, tmp_path / 'a.pth')
