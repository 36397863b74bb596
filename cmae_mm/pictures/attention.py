"""What an encoder's tokens attend to, as maps over the image."""

from collections.abc import Sequence

import numpy as np
import torch
from mmpretrain.models import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from .style import image_axes, to_rgb

Patch = tuple[int, int]  # row and column

_OVERLAY = 0.6  # share of the map's colours; the rest is the image in grey


@torch.no_grad()
def attention_probabilities(backbone: nn.Module, images: Tensor, block: int = -1) -> Tensor:
    """Return how much each token of a block attends to each.

    The blocks compute attention in one fused call that does not return it: it is computed again
    from the queries and keys that go into it. Call it in evaluation mode.

    Args:
        backbone: a Vision Transformer of mmpretrain's, such as this package's encoders.
        images: normalised, shape (N, C, H, W).
        block: index of the Transformer block.

    Returns:
        float32, shape (N, heads, L, L): row i sums to 1, over all tokens that i attends to.

    Raises:
        ValueError: another kind of encoder, or no such block.
    """
    if not isinstance(backbone, VisionTransformer):
        raise ValueError(
            f'attention maps are of Vision Transformers, and {type(backbone).__name__} is none'
        )
    depth = len(backbone.layers)
    if not -depth <= block < depth:
        raise ValueError(f'no block {block}: the encoder has {depth}, counted from 0')
    attention, seen = backbone.layers[block].attn, []
    hook = attention.qkv.register_forward_hook(lambda module, args, output: seen.append(output))
    try:
        VisionTransformer.forward(backbone, images)  # of the whole image, whatever a subclass masks
    finally:
        hook.remove()
    qkv = seen[-1].float().unflatten(-1, (3, attention.num_heads, -1))
    q, k, _ = qkv.unbind(dim=2)  # (N, L, heads, d)
    logits = torch.einsum('nqhd,nkhd->nhqk', q, k)
    return (logits * q.shape[-1] ** -0.5).softmax(dim=-1)


def attention_maps(
    backbone: nn.Module, images: Tensor, patches: Sequence[Patch], block: int = -1
) -> tuple[Tensor, Tensor]:
    """Return maps of what the class token and chosen patches attend to.

    Args:
        backbone, images, block: of :func:`attention_probabilities`.
        patches: chosen ones.

    Returns:
        of the class token, (N, heads, rows, columns), heads 0 for an encoder without one, and
        of the patches, (N, len(patches), heads, rows, columns). A map's sum is 1 less what goes
        to the class token.

    Raises:
        ValueError: no such patch, or images that patches do not divide.
    """
    rows, columns = grid_of(backbone, images)
    outside = [patch for patch in patches if not (0 <= patch[0] < rows and 0 <= patch[1] < columns)]
    if outside:
        raise ValueError(
            f'no patch at row, column {outside[0]}: the image has {rows} rows and {columns} '
            'columns of patches, counted from 0'
        )
    probabilities = attention_probabilities(backbone, images, block)
    extra = backbone.num_extra_tokens
    maps = probabilities[..., extra:].unflatten(-1, (rows, columns))  # (N, heads, L, rows, cols)
    chosen = [extra + row * columns + column for row, column in patches]
    of_class = maps[:, :, 0] if extra else maps[:, :0, 0]
    return of_class, maps[:, :, chosen].transpose(1, 2)


def grid_of(backbone: nn.Module, images: Tensor) -> tuple[int, int]:
    """Rows and columns of patches of images that may have another size than in training.

    Raises:
        ValueError: patches do not divide the images.
    """
    sides = tuple(zip(images.shape[2:], backbone.patch_resolution, backbone.img_size))
    patch = [trained // patches for _, patches, trained in sides]
    if any(side % of_patch for (side, *_), of_patch in zip(sides, patch)):
        height, width = images.shape[2:]
        raise ValueError(
            f'images of {height}x{width} pixels are not made of patches of {patch[0]}x{patch[1]}: '
            'choose multiples'
        )
    rows, columns = (side * patches // trained for side, patches, trained in sides)
    return rows, columns


def default_patches(rows: int, columns: int) -> list[Patch]:
    """Two patches that most photographs fill differently: in the middle, and in a corner."""
    return [(rows // 2, columns // 2), (rows // 8, columns // 8)]


def overlay(image: Tensor, attention: Tensor) -> np.ndarray:
    """Colour an image by a map.

    Args:
        image: uint8, shape (C, H, W).
        attention: at least 0, shape (rows, columns); drawn relative to its maximum.

    Returns:
        uint8, shape (H, W, 3).
    """
    from matplotlib import colormaps

    size = image.shape[1:]
    smooth = F.interpolate(attention[None, None], size, mode='bilinear', align_corners=False)[0, 0]
    colours = colormaps['inferno']((smooth / smooth.max()).cpu().numpy())[..., :3] * 255
    grey = to_rgb(image).mean(axis=2, keepdims=True)
    return (_OVERLAY * colours + (1 - _OVERLAY) * grey).round().astype(np.uint8)


def draw_attention(
    backbone: nn.Module,
    images: Tensor,
    inputs: Tensor,
    patches: Sequence[Patch] | None = None,
    block: int = -1,
    heads: bool = False,
):
    """Draw a row of maps for each image.

    Args:
        backbone: of :func:`attention_probabilities`.
        images: uint8, shape (N, C, H, W).
        inputs: the same, normalised.
        patches: chosen ones, by default :func:`default_patches`.
        block: index of the Transformer block.
        heads: also draw each head of the class token or, without one, of the first patch.

    Returns:
        a matplotlib figure. Columns: the image with the chosen patches marked; what the class
        token attends to, mean over heads; what each chosen patch attends to; the heads.

    Raises:
        ValueError: no such block or patch.
    """
    rows, columns = grid_of(backbone, images)
    patches = default_patches(rows, columns) if patches is None else patches
    of_class, of_patches = attention_maps(backbone, inputs, patches, block)
    titles, maps = [], []
    if of_class.shape[1]:
        titles.append('class token')
        maps.append(of_class.mean(dim=1))
    for index, patch in enumerate(patches):
        titles.append(f'patch {_letter(index)} {patch}')
        maps.append(of_patches[:, index].mean(dim=1))
    if heads:
        each = of_class if of_class.shape[1] else of_patches[:, 0]
        titles += [f'head {head + 1}' for head in range(each.shape[1])]
        maps += each.unbind(dim=1)
    figure, axes = image_axes(len(images), 1 + len(maps), tile=1.5)
    side = (images.shape[2] / rows, images.shape[3] / columns)
    for row, image in zip(axes, images):
        row[0].imshow(to_rgb(image))
        for index, patch in enumerate(patches):
            _mark(row[0], patch, side, _letter(index))
    for column, (title, of_images) in enumerate(zip(titles, maps), start=1):
        axes[0, column].set_title(title, fontsize=9)
        for row, image, attention in zip(axes, images, of_images):
            row[column].imshow(overlay(image, attention))
    for column, patch in enumerate(patches, start=1 + bool(of_class.shape[1])):
        for row in axes:
            _mark(row[column], patch, side)
    axes[0, 0].set_title('image', fontsize=9)
    return figure


def _letter(index: int) -> str:
    return chr(ord('A') + index)


def _mark(axis, patch: Patch, side: tuple[float, float], letter: str = '') -> None:
    """Outline a patch, white on black so that it shows on any image."""
    from matplotlib.patches import Rectangle

    corner = (patch[1] * side[1] - 0.5, patch[0] * side[0] - 0.5)
    for width, colour in ((3, 'black'), (1.2, 'white')):
        axis.add_patch(
            Rectangle(corner, side[1], side[0], fill=False, linewidth=width, edgecolor=colour)
        )
    if letter:
        centre = (corner[0] + side[1] / 2, corner[1] + side[0] / 2)
        box = dict(boxstyle='round,pad=0.1', facecolor='black', edgecolor='none', alpha=0.6)
        axis.text(*centre, letter, color='white', fontsize=7, ha='center', va='center', bbox=box)
