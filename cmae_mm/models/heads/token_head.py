"""From predicted tokens to their loss."""

import torch
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..utils.encoder_layer import select
from ..utils.masking import PatchMask, removed_patches


@MODELS.register_module()
class TokenHead(BaseModule):
    """Classify removed patches by the tokens that a tokenizer gives them.

    Args:
        grid: patches of an image, (rows, columns).
        out_channels: size of the vocabulary.
    """

    needs_tokenizer = True

    def __init__(self, grid: tuple[int, int], out_channels: int = 8192) -> None:
        super().__init__()
        self.grid = tuple(grid)
        self.out_channels = out_channels

    def loss(self, logits: Tensor, tokens: Tensor, patch_mask: PatchMask) -> Tensor:
        """Compute the cross entropy of a batch, a scalar.

        Args:
            logits: of the removed patches, (N, L - K, vocabulary).
            tokens: of all patches, int64, (N, rows, columns).
            patch_mask: of the images.

        Raises:
            ValueError: the tokenizer's grid is not that of the patches.
        """
        if tuple(tokens.shape[1:]) != self.grid:
            raise ValueError(
                f'the tokenizer gives {"x".join(map(str, tokens.shape[1:]))} tokens for '
                f'{"x".join(map(str, self.grid))} patches: change target_size of the data '
                'preprocessor (DALL-E: 8 pixels per token)'
            )
        target = select(tokens.flatten(1), removed_patches(patch_mask))
        with torch.autocast(logits.device.type, enabled=False):
            return F.cross_entropy(logits.float().flatten(0, 1), target.flatten())
