import pytest
import torch

from cmae_mm.models.utils.masking import (
    PatchMasking,
    as_patch_mask,
    inverted,
    removed_patches,
)

CASES = [((4, 4), 0.75, 1), ((6, 4), 0.65, 2), ((3, 9), 0.5, 3), ((14, 14), 0.65, 2)]


@pytest.mark.parametrize('grid, ratio, block', CASES)
def test_mask_partitions_the_patches(grid, ratio, block):
    masking = PatchMasking(grid, ratio, block)
    patch_mask = masking(masking.noise(5, torch.device('cpu')))
    mask, ids_keep, ids_restore = patch_mask
    patches = torch.arange(grid[0] * grid[1]).expand(5, -1)
    removed = [row.nonzero()[:, 0] for row in mask]
    for image in range(5):
        both = torch.cat([ids_keep[image], removed[image]])
        assert both.sort().values.equal(patches[image])
        assert removed_patches(patch_mask)[image].sort().values.equal(removed[image])
    assert ids_restore.sort(dim=1).values.equal(patches)


@pytest.mark.parametrize('grid, ratio, block', CASES)
def test_ids_restore_undoes_the_shuffle(grid, ratio, block):
    masking = PatchMasking(grid, ratio, block)
    mask, ids_keep, ids_restore = masking(masking.noise(3, torch.device('cpu')))
    # in the shuffled sequence the first K places are the visible patches
    is_visible = (ids_restore < ids_keep.shape[1]).float()
    assert is_visible.equal(1 - mask)
    assert ids_restore.gather(1, ids_keep).equal(torch.arange(ids_keep.shape[1]).expand(3, -1))


@pytest.mark.parametrize('grid, ratio, block', CASES)
def test_mask_is_made_of_whole_blocks(grid, ratio, block):
    masking = PatchMasking(grid, ratio, block)
    mask = masking(masking.noise(4, torch.device('cpu'))).mask
    mask = mask.view(4, grid[0] // block, block, grid[1] // block, block)
    per_block = mask.mean(dim=(2, 4))
    assert ((per_block == 0) | (per_block == 1)).all()
    assert per_block.sum(dim=(1, 2)).eq(masking.num_blocks - masking.num_keep).all()


def test_equal_noise_still_gives_whole_blocks():
    mask = PatchMasking((4, 4), 0.5, 2)(torch.zeros(1, 4)).mask.view(2, 2, 2, 2)
    assert set(mask.sum(dim=(1, 3)).flatten().tolist()) == {0.0, 4.0}


def test_the_smallest_noise_stays_visible():
    mask = PatchMasking((2, 2), 0.5)(torch.tensor([[0.9, 0.1, 0.2, 0.8]])).mask
    assert mask.tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize(
    'blocks, ratio, keep', [(49, 0.65, 17), (9, 0.65, 3), (100, 0.9, 10), (196, 0.75, 49)]
)
def test_number_of_visible_blocks(blocks, ratio, keep):
    assert PatchMasking((1, blocks), ratio).num_keep == keep


@pytest.mark.parametrize('ratio', [0.99, 1.0, 1e-9, -0.5])
def test_ratio_that_leaves_nothing_visible_or_removed_is_an_error(ratio):
    with pytest.raises(ValueError, match='at least one must stay visible'):
        PatchMasking((4, 4), ratio)


def test_blocks_that_do_not_tile_the_grid_are_an_error():
    with pytest.raises(ValueError, match='mask_block=2 does not tile the 3x4'):
        PatchMasking((3, 4), 0.5, 2)


def test_a_given_mask_keeps_the_order_of_the_grid():
    removed = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 1]]).bool()
    patch_mask = as_patch_mask(removed)
    assert patch_mask.mask.equal(removed.float())
    assert patch_mask.ids_keep.tolist() == [[1, 2, 4], [0, 1, 3]]
    assert removed_patches(patch_mask).tolist() == [[0, 3], [2, 4]]
    assert patch_mask.ids_restore.tolist() == [[3, 0, 1, 4, 2], [0, 1, 3, 2, 4]]


def test_the_inverted_mask_shows_what_was_removed():
    masking = PatchMasking((4, 4), 0.75)
    patch_mask = masking(masking.noise(3, torch.device('cpu')))
    other = inverted(patch_mask)
    assert other.mask.equal(1 - patch_mask.mask)
    assert other.ids_keep.equal(removed_patches(patch_mask))
    assert removed_patches(other).equal(patch_mask.ids_keep)
    assert inverted(other).ids_restore.equal(patch_mask.ids_restore)


def test_masks_that_remove_different_numbers_are_refused():
    with pytest.raises(ValueError, match='remove 1 to 2 patches'):
        as_patch_mask(torch.tensor([[1, 0, 0], [1, 1, 0]]).bool())
