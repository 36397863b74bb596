"""Masks over the patch grid, drawn here (of single patches or of blocks) or given."""

from typing import NamedTuple

import torch
from torch import Tensor


class PatchMask(NamedTuple):
    """Which patches of each image are removed; L = gh * gw, row-major.

    Attributes:
        mask: float, shape (N, L); 1 = removed, 0 = visible.
        ids_keep: int64, shape (N, K); the visible patches, in encoder order.
        ids_restore: int64, shape (N, L); position of every patch in the
            sequence [visible patches, removed patches].
    """

    mask: Tensor
    ids_keep: Tensor
    ids_restore: Tensor


def removed_patches(patch_mask: PatchMask) -> Tensor:
    """Return the removed patches, int64, shape (N, L - K)."""
    return patch_mask.ids_restore.argsort(dim=1)[:, patch_mask.ids_keep.shape[1] :]


def inverted(patch_mask: PatchMask) -> PatchMask:
    """Return the mask that removes what this one leaves visible."""
    removed = removed_patches(patch_mask)
    ids_shuffle = torch.cat((removed, patch_mask.ids_keep), dim=1)
    return PatchMask(1 - patch_mask.mask, removed, ids_shuffle.argsort(dim=1))


def as_patch_mask(removed: Tensor) -> PatchMask:
    """Describe masks that were drawn elsewhere; visible and removed patches stay in grid order.

    Args:
        removed: bool, shape (N, L); True = removed. Best on the CPU: a GPU would be waited for.

    Raises:
        ValueError: the images differ in the number of removed patches.
    """
    counts = removed.sum(dim=1)
    if (counts != counts[0]).any():
        raise ValueError(
            f'masks of a batch remove {counts.min()} to {counts.max()} patches: each image must '
            'lose as many as the others'
        )
    num_keep = removed.shape[1] - int(counts[0])
    ids_shuffle = removed.byte().argsort(dim=1, stable=True)
    return PatchMask(removed.float(), ids_shuffle[:, :num_keep], ids_shuffle.argsort(dim=1))


class PatchMasking:
    """Draw masks with a fixed ratio of ``block`` x ``block`` patches.

    ``block=1`` is the paper's mask of single patches; the released code uses
    ``block=2`` (cmae/models/backbones/cmae_vit.py at e786a52).

    Args:
        grid: patches of an image, (rows, columns).
        ratio: fraction of blocks to remove, 0 <= ratio < 1; 0 removes nothing.
        block: side of a block, in patches.

    Raises:
        ValueError: blocks don't tile the grid, or the ratio leaves no visible
            or, unless it is 0, no removed block.
    """

    def __init__(self, grid: tuple[int, int], ratio: float, block: int = 1) -> None:
        rows, cols = grid
        if block < 1 or rows % block or cols % block:
            raise ValueError(
                f'mask_block={block} does not tile the {rows}x{cols} patch grid: '
                'choose a block that divides both sides'
            )
        self.blocks = (rows // block, cols // block)
        self.block = block
        self.num_blocks = self.blocks[0] * self.blocks[1]
        # 1e-6 so that 100 * (1 - 0.9) = 9.999999999999998 counts as 10
        self.num_keep = int(self.num_blocks * (1 - ratio) + 1e-6)
        if not 0 < self.num_keep <= self.num_blocks or (
            ratio > 0 and self.num_keep == self.num_blocks
        ):
            raise ValueError(
                f'mask_ratio={ratio} keeps {self.num_keep} of {self.num_blocks} '
                'blocks visible: at least one must stay visible and, unless the '
                'ratio is 0, at least one must be removed'
            )

    def noise(self, num_images: int, device: torch.device) -> Tensor:
        """Draw uniform noise in [0, 1), one number per block: shape (N, num_blocks)."""
        return torch.rand(num_images, self.num_blocks, device=device)

    def __call__(self, noise: Tensor) -> PatchMask:
        """Build masks in which the blocks with the smallest noise stay visible.

        Args:
            noise: shape (N, num_blocks), blocks in row-major order.
        """
        # Blocks are compared by rank, not by noise: two blocks with equal noise must not share
        # the last visible positions.
        rank = noise.argsort(dim=1).argsort(dim=1).view(-1, *self.blocks)
        rank = rank.repeat_interleave(self.block, 1).repeat_interleave(self.block, 2)
        rank = rank.flatten(1)  # (N, L)
        ids_shuffle = rank.argsort(dim=1, stable=True)
        return PatchMask(
            mask=(rank >= self.num_keep).float(),
            ids_keep=ids_shuffle[:, : self.num_keep * self.block**2],
            ids_restore=ids_shuffle.argsort(dim=1),
        )
