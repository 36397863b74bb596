"""The views of one master image, made in a worker: on CPUs the fastest way.

The same operations as :mod:`cmae_mm.views` makes for a batch on the device, by OpenCV on whole
numbers: its results differ from those by rounding after each operation (above 40 dB).

Images are uint8, (h, w, C).
"""

import cv2
import numpy as np

from cmae_mm.views import LUMA, UNCHANGED, ViewParameters

_LEVELS = np.arange(256, dtype=np.float32)


def make_view(master: np.ndarray, parameters: ViewParameters) -> np.ndarray:
    """Make a view of a master image.

    Args:
        master: uint8 (H, W, C).
        parameters: of the view.

    Returns:
        uint8 (height, width, C).
    """
    top, left, height, width = parameters.box
    image = np.ascontiguousarray(master[top : top + height, left : left + width])
    return augment_color(image, parameters)


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


def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each level by that of a table of floats."""
    return _with_channels(cv2.LUT(image, np.rint(table).clip(0, 255).astype(np.uint8)), image)


def _with_channels(result: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Bring back the axis of a single channel, which OpenCV drops."""
    return result.reshape(image.shape)


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return _look_up(image, _LEVELS * factor)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    means = cv2.mean(image)[: image.shape[2]]
    mean = np.dot(means, LUMA) if image.shape[2] == 3 else means[0]
    return _look_up(image, mean + (_LEVELS - mean) * factor)


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
