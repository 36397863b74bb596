"""The views of one master image, made in a worker: on CPUs the fastest way.

The same operations as :mod:`cmae_mm.views` makes for a batch on the device, by OpenCV on whole
numbers: its results differ from those by rounding after each operation (above 40 dB).

Images are uint8, (h, w, C); those of more than 8 bits float32 in [0, 255], whose colours are
changed by the device's own operations.
"""

import cv2
import numpy as np
import torch

from cmae_mm import views
from cmae_mm.views import LUMA, UNCHANGED, ViewParameters

_LEVELS = np.arange(256, dtype=np.float32)


def make_view(master: np.ndarray, parameters: ViewParameters) -> np.ndarray:
    """Make a view of a master image.

    Args:
        master: (H, W, C), uint8 or float32.
        parameters: of the view.

    Returns:
        (height, width, C), of the same type.
    """
    top, left, height, width = parameters.box
    image = np.ascontiguousarray(master[top : top + height, left : left + width])
    if image.dtype == np.uint8:
        return augment_color(image, parameters)
    return augment_float(image, parameters)


def augment_color(image: np.ndarray, parameters: ViewParameters) -> np.ndarray:
    """Apply colour jitter, then greyscale, then Gaussian blur.

    Args:
        image: uint8 (h, w, C).
        parameters: of the view.
    """
    _, jitter, order, (gray,), (sigma,), gray_weights = parameters
    for op in order:
        if jitter[op] != UNCHANGED[op]:
            image = _JITTERS[op](image, jitter[op])
    if gray:
        image = cv2.transform(image, np.tile(np.float32(gray_weights), (3, 1)))
    if sigma > 0:
        image = _gaussian_blur(image, sigma)
    return image


def augment_float(image: np.ndarray, parameters: ViewParameters) -> np.ndarray:
    """Do what :func:`augment_color` does to float32 images, without rounding."""
    sharp = ViewParameters.unpack(parameters._replace(blur=(0.0,)).pack()[None])
    if sharp.change_colors():
        numbers = torch.from_numpy(image).permute(2, 0, 1)[None].clone()
        numbers = views.augment_color(numbers, sharp)
        image = np.ascontiguousarray(numbers[0].permute(1, 2, 0).numpy())
    (sigma,) = parameters.blur
    # the device's takes ten times as long on one core
    return _gaussian_blur(image, sigma) if sigma > 0 else image


def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each level by that of a table of floats, (256,) or one for each channel, (256, C)."""
    table = table.reshape(256, 1, -1)
    return _with_channels(cv2.LUT(image, np.rint(table).clip(0, 255).astype(np.uint8)), image)


def _with_channels(result: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Bring back the axis of a single channel, which OpenCV drops."""
    return result.reshape(image.shape)


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return _look_up(image, _LEVELS * factor)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    channels = image.shape[2]
    if channels > 3 or channels == 2:  # each has its own range; OpenCV's means are of four at most
        mean, levels = image.mean(axis=(0, 1)), _LEVELS[:, None]
    else:
        means, levels = cv2.mean(image)[:channels], _LEVELS
        mean = np.dot(means, LUMA) if channels == 3 else means[0]
    return _look_up(image, mean + (levels - mean) * factor)


def _saturation(image: np.ndarray, factor: float) -> np.ndarray:
    blend = np.eye(3) * factor + np.outer(np.ones(3), LUMA) * (1 - factor)
    return cv2.transform(image, blend.astype(np.float32))


def _hue(image: np.ndarray, turns: float) -> np.ndarray:
    """Rotate the hue of HSV, in 256 levels, keeping saturation and value."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    shift = np.uint8(round(turns * 256) % 256)
    hsv[..., 0] += shift  # uint8 wraps around, as hues do
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def _gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    size = 2 * int(3 * sigma + 0.5) + 1
    blurred = cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)
    return _with_channels(blurred, image)


_JITTERS = (_brightness, _contrast, _saturation, _hue)
