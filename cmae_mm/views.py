"""Batched views of master images, on any device: crop, colour, blur.

Nothing here draws random numbers: parameters come with each sample, so that a view is the same
wherever it is made. They stay on the CPU, where selecting the images for an operation does not
synchronise with the device.

Images are float32, (N, C, h, w), in [0, 255]. The operations are those of torchvision for float
images, with one factor per image.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601 luma of R, G, B
LUMA = (0.299, 0.587, 0.114)


def make_views(inputs: dict[str, Any], names: Sequence[str]) -> dict[str, Tensor]:
    """Make the named views of each image of a batch.

    Args:
        inputs: ``master``, uint8 (N, C, H, W), on any device; and for each name ``box``, int64
            (N, 4): top, left, height and width of the crop (the last two equal for all
            images); optionally ``color``, arguments of :func:`augment_color`, and a
            ``master`` of its own.
        names: of the views to make.

    Returns:
        by name, float32 (N, C, height, width), whole numbers in [0, 255].
    """
    views = {}
    for name in names:
        master = inputs[name].get('master', inputs['master'])
        views[name] = crop(master, inputs[name]['box']).float()
        if 'color' in inputs[name]:
            views[name] = augment_color(views[name], **inputs[name]['color']).round_()
    return views


def crop(images: Tensor, box: Tensor) -> Tensor:
    """Cut (N, C, H, W) to (N, C, h, w); for ``box`` see :func:`make_views`."""
    height, width = box[0, 2:].tolist()
    rows = box[:, :1] + torch.arange(height)  # (N, h)
    cols = box[:, 1:2] + torch.arange(width)  # (N, w)
    rows, cols = rows.to(images.device), cols.to(images.device)
    batch = torch.arange(len(images), device=images.device)
    # (N, h, w, C): advanced indices that are not adjacent move the sliced axis last
    view = images[batch[:, None, None], :, rows[:, :, None], cols[:, None, :]]
    return view.permute(0, 3, 1, 2).contiguous()


def augment_color(
    images: Tensor,
    jitter: Tensor,
    order: Tensor,
    gray: Tensor,
    blur: Tensor,
    gray_weights: Tensor | None = None,
) -> Tensor:
    """Apply colour jitter, then greyscale, then Gaussian blur, in place.

    Args:
        images: shape (N, C, h, w); C = 3 unless only brightness, contrast and
            blur are used.
        jitter: shape (N, 4): factors of brightness, contrast and saturation (1
            = unchanged) and the shift of hue in turns (0 = unchanged).
        order: int64, shape (N, 4): each image's order of these four.
        gray: bool, shape (N,).
        blur: sigma in pixels, shape (N,); 0 = unchanged.
        gray_weights: of R, G, B in greyscale, shape (N, 3); None: :data:`LUMA`.
    """
    used = jitter != jitter.new_tensor([1.0, 1.0, 1.0, 0.0])
    for step in range(4):
        for op, function in enumerate((_brightness, _contrast, _saturation, _hue)):
            chosen = (order[:, step] == op) & used[:, op]
            _apply(function, images, chosen, jitter[:, op])
    if gray_weights is None:
        gray_weights = torch.tensor(LUMA).expand(len(images), 3)
    _apply(_grayscale, images, gray, gray_weights)
    _apply(_gaussian_blur, images, blur > 0, blur)
    return images


def _apply(function: Callable, images: Tensor, chosen: Tensor, values: Tensor) -> None:
    index = chosen.nonzero()[:, 0]
    if len(index) == 0:
        return
    values = values[index].to(images.device, torch.float32).view(len(index), -1, 1, 1)
    index = index.to(images.device)
    images[index] = function(images[index], values)


def _luma(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    return _weigh(images, images.new_tensor(LUMA).view(1, 3, 1, 1))


def _weigh(images: Tensor, weights: Tensor) -> Tensor:
    return (images * weights).sum(dim=1, keepdim=True)


def _grayscale(images: Tensor, weights: Tensor) -> Tensor:
    return _weigh(images, weights).expand_as(images)


def _brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).clamp_(0, 255)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    mean = _luma(images).mean(dim=(2, 3), keepdim=True)
    return torch.lerp(mean, images, factor).clamp_(0, 255)


def _blend_with_gray(images: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(_luma(images), images, factor).clamp_(0, 255)


_saturation = _blend_with_gray


def _hue(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue of HSV, keeping saturation and value."""
    value, arg = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    # hue in sixths of a turn: 0 at red, 2 at green, 4 at blue
    red, green, blue = images.split(1, dim=1)
    opposite = torch.cat((green - blue, blue - red, red - green), dim=1)
    hue = opposite.gather(1, arg) / chroma.clamp(min=1e-6) + 2 * arg
    # back to RGB: each channel's distance from its own peak
    peaks = images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    sixths = (peaks + hue + 6 * turns) % 6
    return value - chroma * torch.minimum(sixths, 4 - sixths).clamp(0, 1)


def _gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur with a separable Gaussian cut off at 3 sigma; edges are replicated."""
    sigma = sigma.view(-1, 1)
    radius = int(3 * sigma.max().item() + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)  # (N, taps)
    # each image has its own width: a view must not depend on the rest of its batch
    kernel = kernel * (offsets.abs() <= (3 * sigma + 0.5).floor())
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(images.shape[1], dim=0)  # (N * C, taps)
    channels = images.flatten(0, 1).unsqueeze(0)  # (1, N * C, h, w)
    padded = F.pad(channels, [radius] * 4, mode='replicate')
    blurred = F.conv2d(padded, kernel[:, None, :, None], groups=len(kernel))
    blurred = F.conv2d(blurred, kernel[:, None, None, :], groups=len(kernel))
    return blurred.view_as(images)
