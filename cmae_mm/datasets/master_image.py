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

from .decode import COLOR, MAX_PIXELS, EncodedImage, decode, read_header


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read an image file as RGB, or report it and skip it.

    The host's loader stops the run at the first broken file, or skips it
    silently. This one logs a warning and returns None, and the dataset takes
    another image.

    Adds ``img``, uint8 (H, W, C), and ``img_shape``, or ``unreadable``, the reason; needs
    ``img_path``, the file, or its name if ``content`` holds its bytes.

    Args:
        color_type: 'color' (RGB), 'grayscale' (one channel) or 'unchanged'
            (the file's own channels in their order; three are taken to be colour).
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

    def __init__(
        self,
        color_type: str = 'color',
        backend_args: dict | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if color_type not in self._FLAGS:
            raise ValueError(f'color_type={color_type!r}: choose from {", ".join(self._FLAGS)}')
        self.flag = self._FLAGS[color_type]
        self.backend_args = backend_args
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict | None:
        try:
            content = results.pop('content', None)  # of a dataset that has read the file
            if content is None:
                content = self._read(results['img_path'])
            image = read_header(content, self.flag, self.max_pixels) if self.deferred else None
            if image is None:
                image = decode(content, self.flag, self.max_pixels)
        except (OSError, ValueError, cv2.error) as error:
            _report_unreadable(results, error)
            return None
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        return results

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
    agrees with Pillow's (the released code's) and keeps uint8, where OpenCV's
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
        master = F.interpolate(crop, self.scale, mode='bicubic', antialias=True)
        results['img'] = master[0].permute(1, 2, 0).numpy()
        results['img_shape'] = tuple(self.scale)
        return results


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
