"""Turn an image file into a master image."""

import logging
import random
from itertools import pairwise

import cv2
import mmengine.fileio as fileio
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpretrain.datasets.transforms import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS
from torch.nn import functional as F

from .decode import COLOR, DTYPES, MAX_PIXELS, EncodedImage, check_dtype, decode, read_header
from .tiff import check_channels, decode_tiff, is_tiff

_SIXTEEN_TO_EIGHT = np.float32(255 / 65535)


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read an image file as RGB, or report it and skip it.

    The host's loader stops the run at the first broken file, or skips it
    silently. This one logs a warning and returns None, and the dataset takes
    another image.

    Adds ``img``, (H, W, C), and ``img_shape``, or ``unreadable``, the reason; needs
    ``img_path``, the file, or its name if ``content`` holds its bytes or ``img`` its pixels
    already, RGB. Levels are uint8, or
    float32 of files with 16 bits, whose 65535 becomes 255 as well.

    Args:
        color_type: 'color' (RGB), 'grayscale' (one channel) or 'unchanged'
            (the file's own channels in their order).
        channels: number of channels of an 'unchanged' file; files with another number are
            reported and skipped. TIFF files may have any, other formats up to four.
        dtype: of the files' levels, 'uint8' or 'uint16'; others are reported and skipped.
        backend_args: of ``mmengine.fileio.get``.
        max_pixels: larger images (height x width) are reported and skipped: a damaged or
            malicious header may claim any size, and the decoder allocates it at once.

    Attributes:
        deferred: leave JPEGs undecoded, as :class:`~cmae_mm.datasets.decode.EncodedImage`; set by
            :func:`defer_decoding`.
    """

    deferred = False

    _FLAGS = {
        'color': COLOR,
        'grayscale': cv2.IMREAD_GRAYSCALE,
        'unchanged': cv2.IMREAD_UNCHANGED,
    }

    _CHANNELS = {'color': 3, 'grayscale': 1}

    def __init__(
        self,
        color_type: str = 'color',
        backend_args: dict | None = None,
        max_pixels: int = MAX_PIXELS,
        channels: int | None = None,
        dtype: str = 'uint8',
    ) -> None:
        if color_type not in self._FLAGS:
            raise ValueError(f'color_type={color_type!r}: choose from {", ".join(self._FLAGS)}')
        if (color_type == 'unchanged') != (channels is not None):
            raise ValueError(
                f'color_type={color_type!r} with channels={channels}: give the number of channels '
                "with color_type='unchanged', and with no other"
            )
        if dtype not in DTYPES:
            raise ValueError(f'dtype={dtype!r}: choose from {", ".join(DTYPES)}')
        self.flag = self._FLAGS[color_type]
        self.channels, self.dtype = channels or self._CHANNELS[color_type], dtype
        self.backend_args = backend_args
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict | None:
        image: np.ndarray | EncodedImage
        try:
            if 'img' in results:  # of a dataset that has the pixels
                image = self._to_levels(np.atleast_3d(results['img']))
            else:
                image = self._open(results)
        except (OSError, ValueError, cv2.error) as error:
            _report_unreadable(results, error)
            return None
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        return results

    def _open(self, results: dict) -> np.ndarray | EncodedImage:
        content = results.pop('content', None)  # of a dataset that has read the file
        if content is None:
            content = self._read(results['img_path'])
        if self.deferred and self.dtype == 'uint8':  # as JPEGs are
            image = read_header(content, self.flag, self.max_pixels)
            if image is not None:
                return image
        return self.decode(content)

    def decode(self, content: bytes) -> np.ndarray:
        """Decode an image file.

        Args:
            content: of the file.

        Returns:
            (H, W, C), uint8, or float32 in [0, 255].

        Raises:
            ValueError: not an image, of another type or other channels, or too large.
        """
        if self.flag == cv2.IMREAD_UNCHANGED and is_tiff(content):
            image = decode_tiff(content, self.channels, self.max_pixels)
        else:
            image = decode(content, self.flag, self.max_pixels, self.dtype)
        return self._to_levels(image)

    def _to_levels(self, image: np.ndarray) -> np.ndarray:
        check_dtype(image, self.dtype)
        check_channels(image.shape[2], self.channels)
        return image if self.dtype == 'uint8' else image * _SIXTEEN_TO_EIGHT

    def _read(self, path: str) -> bytes:
        if self.backend_args is None and '://' not in path:
            # the file client takes twice as long to find out that this is a local file
            with open(path, 'rb', buffering=0) as file:
                return file.read()
        return fileio.get(path, backend_args=self.backend_args)


def _report_unreadable(results: dict, error: Exception) -> None:
    results['unreadable'] = str(error)
    print_log(f'skipped {results["img_path"]}: {error}', 'current', logging.WARNING)


@TRANSFORMS.register_module()
class MasterCrop(RandomResizedCrop):
    """Random resized crop of any number of channels, antialiased, bicubic.

    Boxes are drawn as the host draws them; the resizing is torch's, which
    agrees with Pillow's (the released code's) and keeps uint8 (or float32), where OpenCV's
    bicubic does not antialias. An image that is not decoded yet is decoded here, at
    the smallest scale that serves the crop.

    Args:
        scale: (height, width) of the master image or one number, in pixels.
        **kwargs: of mmpretrain's RandomResizedCrop, but for the interpolation.
    """

    def transform(self, results: dict) -> dict | None:
        image = results['img']
        box = self.rand_crop_params(image)
        if isinstance(image, EncodedImage):
            try:
                crop = image.decode_crop(box, image.scale_for(box, self.scale))
            except (ValueError, cv2.error) as error:
                _report_unreadable(results, error)
                return None
        else:
            top, left, height, width = box
            crop = image[top : top + height, left : left + width]
        # contiguous (a flipped image is not), and permuted last: the order of axes in memory
        # chooses torch's kernel for interleaved channels, which is the faster one
        crop = torch.from_numpy(np.ascontiguousarray(crop))[None].permute(
            0, 3, 1, 2
        )  # (1, C, h, w)
        master = resize(crop, self.scale)
        results['img'] = master[0].permute(1, 2, 0).numpy()
        results['img_shape'] = tuple(self.scale)
        return results


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize uint8 images, or float ones in [0, 255], (N, C, h, w), antialiased, bicubic."""
    images = F.interpolate(images, size, mode='bicubic', antialias=True)
    # it overshoots; uint8 is limited by itself
    return images.clamp_(0, 255) if images.is_floating_point() else images


@TRANSFORMS.register_module()
class RandomHorizontalFlip(BaseTransform):
    """Flip an image of any number of channels, left to right.

    What the host's RandomFlip does to an image alone, in a fraction of its time.

    Args:
        prob: of a flip.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        if random.random() < self.prob:
            image = results['img']
            results['img'] = cv2.flip(image, 1).reshape(image.shape)
        return results


def defer_decoding(pipeline: Compose) -> None:
    """Let MasterCrop decode wherever it directly follows LoadImage.

    It knows which part is needed, and how large; other transforms expect an array.
    """
    for load, crop in pairwise(pipeline.transforms):
        if isinstance(load, LoadImage) and type(crop) is MasterCrop:
            load.deferred = True
