"""Masks of rectangular blocks, drawn with each image."""

import math

import numpy as np
from mmpretrain.datasets.transforms import BEiTMaskGenerator
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class BlockMask(BEiTMaskGenerator):
    """Mask rectangular blocks of patches until their number is reached (BEiT; CAE).

    The host's, mended: its blocks never reach the last row and the last column, since the upper
    end of its draws is excluded, and it searches without end where no block fits. Then this one
    masks the rest patch by patch.

    Adds ``mask``, bool (rows, columns), True = removed.

    Args:
        input_size: patches of an image, (rows, columns) or one number.
        num_masking_patches: number of patches to remove (released code: 98 of 196).
        min_num_patches: smallest area that is drawn for a block, in patches.
        **kwargs: of the host's BEiTMaskGenerator, such as ``min_aspect``.

    Raises:
        ValueError: no patch would be removed, or none would stay visible.
    """

    def __init__(
        self, input_size, num_masking_patches: int, min_num_patches: int = 16, **kwargs
    ) -> None:
        super().__init__(
            to_2tuple(input_size), num_masking_patches, min_num_patches=min_num_patches, **kwargs
        )
        if not 0 < num_masking_patches < self.num_patches:
            raise ValueError(
                f'num_masking_patches={num_masking_patches} of {self.height}x{self.width} patches: '
                'at least one must be removed and at least one must stay visible'
            )

    def transform(self, results: dict) -> dict:
        results = super().transform(results)
        results['mask'] = results['mask'].astype(bool)
        return results

    def _mask(self, mask: np.ndarray, max_mask_patches: int) -> int:
        """Mask one block of at most ``max_mask_patches`` new patches; return their number."""
        for _ in range(10):
            area = np.random.uniform(self.min_num_patches, max_mask_patches)
            aspect = math.exp(np.random.uniform(*self.log_aspect_ratio))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (0 < height < self.height and 0 < width < self.width):
                continue
            top = np.random.randint(self.height - height + 1)
            left = np.random.randint(self.width - width + 1)
            block = mask[top : top + height, left : left + width]
            added = height * width - int(block.sum())
            if 0 < added <= max_mask_patches:
                block[:] = 1
                return added
        visible = np.flatnonzero(mask == 0)
        mask.flat[np.random.choice(visible, max_mask_patches, replace=False)] = 1
        return max_mask_patches
