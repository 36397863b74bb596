"""Masked autoencoders."""

import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.models.utils import removed_patches
from tests.helpers.tiny import ARCH, DECODER, HYBRID

ENCODERS = {
    'vit': dict(type='CMAEViT', arch=ARCH, img_size=(16, 24), patch_size=4, mask_ratio=0.5),
    'hybrid': dict(type='HybridViT', **{**HYBRID, 'img_size': (16, 24)}),
}


def autoencoder(encoder, channels=3, **head):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='MaskedReconstruction',
            backbone=dict(ENCODERS[encoder], in_channels=channels),
            neck=dict(type='CMAEPixelDecoder', decoder_depth=1, **DECODER),
            head=dict(type='ReconstructionHead', **head),
        )
    )
    model.init_weights()
    return model


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('channels', [1, 4])
def test_loss_is_the_mean_squared_error_of_removed_patches(encoder, channels):
    model = autoencoder(encoder, channels, norm_pix=False)
    images = torch.randn(2, channels, 16, 24)
    torch.manual_seed(1)
    loss = model.loss(images)['loss']
    torch.manual_seed(1)
    tokens, patch_mask = model.backbone.encode(images)
    pixels = model.neck(tokens, patch_mask.ids_restore)
    error = (pixels - model.head.patchify(images)).square().mean(dim=2)
    expected = error.gather(1, removed_patches(patch_mask)).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    untrained = {name for name, p in model.named_parameters() if p.grad is None}
    assert untrained == {'backbone.pos_embed', 'neck.decoder_pos_embed'}


@pytest.mark.parametrize('encoder', ENCODERS)
def test_reconstructions_have_the_images_form(encoder):
    model, images = autoencoder(encoder), torch.randn(2, 3, 16, 24)
    predictions, mask = model.reconstruct(images)
    assert predictions.shape == images.shape and mask.shape == (2, 1, 16, 24)
    assert mask.mean() == 0.5
