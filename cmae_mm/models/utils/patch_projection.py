"""The embedding of patches on a GPU: a convolution that is a matrix product."""

from torch import Tensor, nn
from torch.nn import functional as F


class PatchProjection(nn.Conv2d):
    """A convolution whose kernel is its stride, on GPUs computed as the product that it is.

    cuDNN turns images of three channels into another layout first and then computes slowly. On a
    CPU its convolution is as fast, and stays.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, H / side, W / side)."""
        return as_product(self, images) if images.is_cuda else super().forward(images)


def use_patch_projection(patch_embed: nn.Module) -> None:
    """Turn the convolution that a host has built into a :class:`PatchProjection`, in place."""
    conv = patch_embed.projection
    if type(conv) is nn.Conv2d and _tiles(conv):
        conv.__class__ = PatchProjection


def _tiles(conv: nn.Conv2d) -> bool:
    """Whether each place of the image counts once, for all channels of the result."""
    return (
        conv.kernel_size == conv.stride
        and conv.padding == (0, 0)
        and conv.dilation == (1, 1)
        and conv.groups == 1
    )


def as_product(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """Apply a convolution whose kernel is its stride: (N, C, H, W) to (N, D, h, w).

    The result has the memory of (N, h, w, D), which the encoder takes as tokens.
    """
    rows, columns = conv.stride
    patches = images.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(3)  # (N, h, w, C * rows * columns)
    return F.linear(patches, conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)
