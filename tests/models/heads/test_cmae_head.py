import pytest
import torch

from cmae_mm.models import CMAEPretrainHead
from cmae_mm.models.utils.masking import PatchMasking, removed_patches
from tests.helpers.tiny import PROJECTOR


def head(grid=(2, 3), channels=3, **overrides):
    return CMAEPretrainHead(
        predictor=PROJECTOR,
        contrastive=dict(type='InfoNCELoss'),
        grid=grid,
        patch_size=4,
        in_channels=channels,
        **overrides,
    )


@pytest.mark.parametrize('grid, channels', [((2, 3), 3), ((4, 4), 1), ((3, 1), 5)])
def test_unpatchify_undoes_patchify(grid, channels):
    images = torch.randn(2, channels, 4 * grid[0], 4 * grid[1])
    module = head(grid, channels)
    patches = module.patchify(images)
    assert patches.shape == (2, grid[0] * grid[1], 16 * channels)
    assert module.unpatchify(patches).equal(images)


def test_patches_come_row_by_row_with_channels_last():
    images = torch.randn(1, 3, 8, 12)
    patch = images[0, :, 4:8, 4:8]  # second row, second column: index 4 of 2x3
    assert head().patchify(images)[0, 4].equal(patch.permute(1, 2, 0).flatten())


@pytest.mark.parametrize('norm_pix', [True, False])
def test_reconstruction_loss_equals_a_naive_loop_over_removed_patches(norm_pix):
    torch.manual_seed(0)
    module, images = head(norm_pix=norm_pix, loss_weight=2.0), torch.randn(2, 3, 8, 12)
    patch_mask = PatchMasking((2, 3), 0.5)(torch.rand(2, 6))
    pixels = torch.randn(2, 6, 48)
    total, count = 0.0, 0
    for image in range(2):
        for patch in patch_mask.mask[image].nonzero()[:, 0]:
            target = module.patchify(images)[image, patch]
            if norm_pix:
                target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
            total += (pixels[image, patch] - target).square().mean().item()
            count += 1
    embedding = torch.randn(2, 8)
    removed = torch.stack([pixels[i, removed_patches(patch_mask)[i]] for i in range(2)])
    losses = module.loss(removed, images, patch_mask, embedding, embedding)
    assert losses['loss_rc'].item() == pytest.approx(2 * total / count, rel=1e-5)


def test_perfect_predictions_give_back_the_images():
    module, images = head(norm_pix=True), torch.randn(2, 3, 8, 12)
    perfect = module.construct_target(images)
    torch.testing.assert_close(module.images(perfect, images), images, rtol=1e-4, atol=1e-5)
