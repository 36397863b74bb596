"""Batched views of master images, on any device: crop, colour, blur.

Nothing here draws random numbers: parameters come with each sample, so that a view is the same
wherever it is made. They stay on the CPU, where selecting the images for an operation does not
synchronise with the device.

Images are floating point, (N, C, h, w), in [0, 255]. The results are those of torchvision's
operations for float images, with one factor per image. What costs a GPU is starting operations,
hence few of them, each for the whole batch, and moving bytes: there the numbers are float16, which
rounds them to an eighth or less where the workers' round to whole ones.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601 luma of R, G, B
LUMA = (0.299, 0.587, 0.114)
UNCHANGED = (1.0, 1.0, 1.0, 0.0)  # factors of brightness, contrast, saturation; shift of hue


class ViewParameters(NamedTuple):
    """What makes a view of a master image: sequences of one image, or tensors of a batch.

    Only the box is needed; the defaults leave the colours as they are.

    Args:
        box: top, left, height and width of the crop, in pixels; shape (N, 4).
        jitter: factors of brightness, contrast and saturation (1 = unchanged) and the shift of
            hue in turns (0 = unchanged); shape (N, 4).
        order: in which these four are applied, by their numbers; shape (N, 4).
        gray: 1 for greyscale, otherwise 0; shape (N, 1).
        blur: sigma in pixels (0 = unchanged); shape (N, 1).
        gray_weights: of R, G and B in greyscale; shape (N, 3).
    """

    box: Any
    jitter: Any = UNCHANGED
    order: Any = (0, 1, 2, 3)
    gray: Any = (False,)
    blur: Any = (0.0,)
    gray_weights: Any = LUMA

    def pack(self) -> Tensor:
        """Return the parameters of one image as float32, shape (17,).

        A single tensor per view: each costs collation and transfer between processes as much as
        a picture.
        """
        return torch.from_numpy(np.array(list(chain(*self)), np.float32))

    @classmethod
    def unpack(cls, packed: Tensor) -> 'ViewParameters':
        """Return the fields of packed parameters, shape (N, 17)."""
        return cls(*packed.split((4, 4, 4, 1, 1, 3), dim=1))

    def change_colors(self) -> bool:
        """Whether any image of a batch is jittered, grey or blurred."""
        jittered = self.jitter != self.jitter.new_tensor(UNCHANGED)
        return bool(jittered.any() or self.gray.any() or self.blur.any())


def make_views(inputs: dict[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Make the named views of each image of a batch.

    Args:
        inputs: ``master``, uint8 (N, H, W, C), or float32 in [0, 255] of images that have more
            than 8 bits, on any device; for each name its packed
            :class:`ViewParameters`, float32 (N, 17), on the CPU, with the height and width of the
            box equal for all images; and optionally ``{name}_master``, a master of its own.
        names: of the views to make.

    Returns:
        by name, (N, C, height, width), of the type of the master images.
    """
    views = {}
    for name in names:
        parameters = ViewParameters.unpack(inputs[name])
        view = crop(inputs.get(f'{name}_master', inputs['master']), parameters.box)
        if parameters.change_colors():
            if view.dtype == torch.uint8:
                numbers = view.to(torch.float32 if view.is_cpu else torch.float16)
                view = augment_color(numbers, parameters).round_().to(torch.uint8)
            else:
                view = augment_color(view, parameters)
        views[name] = view
    return views


def crop(images: Tensor, box: Tensor) -> Tensor:
    """Cut (N, H, W, C) to (N, C, h, w); for ``box`` see :class:`ViewParameters`."""
    height, width = box[0, 2:].int().tolist()
    corner = box[:, :2].long().to(images.device, non_blocking=True)
    rows = corner[:, :1] + torch.arange(height, device=images.device)  # (N, h)
    cols = corner[:, 1:] + torch.arange(width, device=images.device)  # (N, w)
    batch = torch.arange(len(images), device=images.device)
    channels = torch.arange(images.shape[3], device=images.device)[:, None, None]
    return images[batch[:, None, None, None], rows[:, None, :, None], cols[:, None, None], channels]


def resize_lanczos(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize float images, (N, C, h, w), as Pillow's LANCZOS does, without rounding."""
    height, width = (
        _lanczos_weights(before, after).to(images, non_blocking=True)
        for before, after in zip(images.shape[2:], size)
    )
    return height @ images @ width.T


@cache
def _lanczos_weights(before: int, after: int) -> Tensor:
    """Weights of each pixel before (columns) in each pixel after (rows)."""
    scale = before / after
    centers = (torch.arange(after) + 0.5) * scale - 0.5
    distance = (torch.arange(before) - centers[:, None]) / max(scale, 1)
    weights = torch.sinc(distance) * torch.sinc(distance / 3) * (distance.abs() < 3)
    return weights / weights.sum(dim=1, keepdim=True)


def augment_color(images: Tensor, parameters: ViewParameters) -> Tensor:
    """Apply colour jitter, then greyscale, then Gaussian blur.

    All but hue and blur are linear in an image's colours and their mean. Hue, of some twenty
    operations, is shifted once, whichever place it has in an image's order: the others have three
    places before it and three after it, of which an image leaves three unused.

    Args:
        images: shape (N, C, h, w); C = 3 unless only brightness, contrast and
            blur are used. May be overwritten.
        parameters: of the batch, on the CPU.
    """
    _, jitter, order, gray, blur, gray_weights = parameters
    before, after = _mixtures(jitter, order, images.shape[1])
    images = _mix(images, before)
    _apply(_hue, images, jitter[:, 3] != 0, jitter[:, 3])
    images = _mix(images, after)
    if gray.any():
        grays = torch.where(gray[:, :, None] > 0, gray_weights[:, None], torch.eye(3))
        images = _mix(images, torch.stack((grays, torch.zeros_like(grays)))[None])
    _apply(_gaussian_blur, images, blur[:, 0] > 0, _gaussian_kernels(blur))
    return images


def _apply(function: Callable, images: Tensor, chosen: Tensor, values: Tensor) -> None:
    index = chosen.nonzero()[:, 0]
    if len(index) == 0:
        return
    values = values[index].view(len(index), -1, 1, 1).to(images, non_blocking=True)
    index = index.to(images.device, non_blocking=True)
    images[index] = function(images[index], values)


def _mixtures(jitter: Tensor, order: Tensor, channels: int) -> Tensor:
    """Express brightness, contrast and saturation as mixtures of an image's colours and their mean.

    Returns:
        weights of channels and means as :func:`_mix` takes them, for the three places before hue
        and the three after it; shape (2, 3, 2, N, C, C).
    """
    places = (order == 3).byte().argsort(dim=1, stable=True).T  # hue's is the last row
    others = order.long().T.gather(0, places[:3])
    after_hue = places[:3] > places[3]
    used = torch.stack((~after_hue, after_hue))  # (2, 3, N)
    factor = torch.where(used, jitter.T.gather(0, others), 1)[..., None, None]
    same = torch.eye(channels)
    # of more or fewer channels each has its own range
    luma = torch.tensor(LUMA).expand(3, 3) if channels == 3 else same
    contrast, saturation = (others[..., None, None] == op for op in (1, 2))
    towards = (1 - factor) * luma
    return torch.stack((factor * same + towards * saturation, towards * contrast), dim=2)


def _mix(images: Tensor, mixtures: Tensor) -> Tensor:
    """Replace the channels by mixtures of channels and their means, one after the other.

    Args:
        images: shape (N, C, h, w).
        mixtures: weights of the channels and of their means in each, on the CPU; shape
            (places, 2, N, C, C).
    """
    unchanged = torch.eye(images.shape[1])  # a share of the mean comes at the expense of the pixel
    places = [place for place in mixtures if (place[0] != unchanged).any()]
    if not places:
        return images
    for of_pixels, of_means in torch.stack(places).to(images, non_blocking=True):
        pixels = images.flatten(2)
        means = of_means @ pixels.mean(dim=2, keepdim=True)
        images = torch.baddbmm(means, of_pixels, pixels).clamp_(0, 255).view_as(images)
    return images


def _hue(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue of HSV, keeping saturation and value."""
    red, green, blue = images.split(1, dim=1)
    least, value = images.aminmax(dim=1, keepdim=True)
    chroma = value - least
    # hue in sixths of a turn: 0 at red, 2 at green, 4 at blue
    hue = torch.where(
        red == value,
        green - blue,
        torch.where(
            green == value,
            (blue - red).add_(chroma, alpha=2),
            (red - green).add_(chroma, alpha=4),
        ),
    )
    hue = hue.div_(chroma.clamp(min=1e-6))
    # back to RGB: a channel falls to the least between one and two sixths from its own peak
    peaks = torch.arange(5, 0, -2, device=images.device).view(1, 3, 1, 1) + 6 * turns
    near = (peaks + hue).remainder_(6).sub_(2).abs_().clamp_(1, 2)
    return torch.addcmul(least - chroma, chroma, near)


def _gaussian_kernels(sigma: Tensor) -> Tensor:
    """Return Gaussians cut off at 3 sigma, shape (N, taps); NaN where sigma, (N, 1), is 0."""
    radius = int(3 * sigma.max() + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernels = torch.exp(-0.5 * (offsets / sigma) ** 2)
    # each image has its own width: a view must not depend on the rest of its batch
    kernels = kernels * (offsets.abs() <= (3 * sigma + 0.5).floor())
    return kernels / kernels.sum(dim=1, keepdim=True)


def _gaussian_blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Blur with separable kernels, (N, taps, 1, 1); edges are replicated."""
    radius = kernels.shape[1] // 2
    kernels = kernels.flatten(1).repeat_interleave(images.shape[1], dim=0)  # (N * C, taps)
    channels = images.flatten(0, 1).unsqueeze(0)  # (1, N * C, h, w)
    padded = F.pad(channels, [radius] * 4, mode='replicate')
    blurred = F.conv2d(padded, kernels[:, None, :, None], groups=len(kernels))
    blurred = F.conv2d(blurred, kernels[:, None, None, :], groups=len(kernels))
    return blurred.view_as(images)
