"""Turn an image file into a master image and the parameters of its views."""

import logging
from collections.abc import Sequence
from itertools import pairwise

import cv2
import mmengine.fileio as fileio
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpretrain.datasets.transforms import RandomResizedCrop
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import TRANSFORMS
from torch.nn import functional as F

from cmae_mm.views import LUMA, ViewParameters
from cmae_mm.worker_views import make_view

from .decode import MAX_PIXELS, EncodedImage, decode, read_header

_UNCHANGED = np.array([1.0, 1.0, 1.0, 0.0])  # of brightness, contrast, saturation, hue


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
        'color': cv2.IMREAD_COLOR,
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
                content = fileio.get(results['img_path'], backend_args=self.backend_args)
            image = read_header(content, self.flag, self.max_pixels) if self.deferred else None
            if image is None:
                image = decode(content, self.flag, self.max_pixels)
        except (OSError, ValueError, cv2.error) as error:
            return _report_unreadable(results, error)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        return results


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
                return _report_unreadable(results, error)
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


def defer_decoding(pipeline: Compose) -> None:
    """Let MasterCrop decode wherever it directly follows LoadImage.

    It knows which part is needed, and how large; other transforms expect an array.
    """
    for load, crop in pairwise(pipeline.transforms):
        if isinstance(load, LoadImage) and type(crop) is MasterCrop:
            load.deferred = True


@TRANSFORMS.register_module()
class PixelShift(BaseTransform):
    """Two crops of the master image, the target's shifted by a few pixels.

    The online crop is at (0, 0), the target's at a shift of 0 to ``max_shift``
    pixels in each direction, both ends included. The paper draws from [0, p) with p = 31
    (Sec. 3.3), that is ``max_shift=30``; the released code's draws include 31
    (cmae/datasets/pipelines/processing.py at e786a52: ShiftPixel).

    Adds ``online`` and ``target``, each :class:`~cmae_mm.views.ViewParameters`.

    Args:
        crop_size: (height, width) of the views or one number, in pixels.
        max_shift: largest shift in pixels; 0 gives both views the same crop.
    """

    def __init__(self, crop_size, max_shift: int = 30) -> None:
        if max_shift < 0:
            raise ValueError(f'max_shift={max_shift}: must be 0 or more pixels')
        self.crop_size = to_2tuple(crop_size)
        self.max_shift = max_shift

    def transform(self, results: dict) -> dict:
        """Add the boxes of both crops.

        Raises:
            ValueError: the master image is smaller than crop and shift together.
        """
        (height, width), (crop_h, crop_w) = results['img_shape'], self.crop_size
        if height < crop_h + self.max_shift or width < crop_w + self.max_shift:
            raise ValueError(
                f'master image of {height}x{width} is too small: crop '
                f'{crop_h}x{crop_w} + max_shift {self.max_shift} needs '
                f'{crop_h + self.max_shift}x{crop_w + self.max_shift}; raise the '
                'scale of MasterCrop or lower crop_size or max_shift'
            )
        top, left = np.random.randint(0, self.max_shift + 1, size=2).tolist()
        results['online'] = ViewParameters((0, 0, crop_h, crop_w))
        results['target'] = ViewParameters((top, left, crop_h, crop_w))
        return results


@TRANSFORMS.register_module()
class IndependentCrop(MasterCrop):
    """In place of the pixel shift: a random resized crop for the target view.

    The spatial augmentation that the paper compares pixel shift with (Sec. 4.4).
    The online crop stays the master image's corner at (0, 0); the target gets a
    random box of the master image, resized to the size of the crop.

    Adds ``online`` and ``target``, each :class:`~cmae_mm.views.ViewParameters`, and
    ``target_master``, uint8 (h, w, C).

    Args:
        crop_size: (height, width) of the views or one number, in pixels.
        **kwargs: of :class:`MasterCrop`, such as ``crop_ratio_range``.
    """

    def __init__(self, crop_size, **kwargs) -> None:
        super().__init__(crop_size, **kwargs)

    def transform(self, results: dict) -> dict:
        results['target_master'] = super().transform({'img': results['img']})['img']
        results['online'] = results['target'] = ViewParameters((0, 0, *self.scale))
        return results


@TRANSFORMS.register_module()
class ColorAugment(BaseTransform):
    """Draw the colour augmentation of one view.

    The defaults are the released code's for the target view
    (cmae/datasets/cmae_dataset.py at e786a52); the order of the four jitters is
    drawn too, as in torchvision. Without ``ColorAugment`` a view keeps its
    colours.

    Changes the view's :class:`~cmae_mm.views.ViewParameters`.

    Args:
        view: 'online' or 'target'.
        brightness, contrast, saturation: largest deviation of the factor from 1.
        hue: largest shift, in turns.
        jitter_prob: of the four together.
        gray_prob: of greyscale.
        blur_prob: of Gaussian blur.
        blur_sigma: range of its sigma, in pixels.
        gray_weights: of R, G and B in greyscale; None takes those of luma (ITU-R BT.601).
            The released code takes them in reverse.
    """

    def __init__(
        self,
        view: str = 'target',
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        jitter_prob: float = 0.8,
        gray_prob: float = 0.2,
        blur_prob: float = 0.5,
        blur_sigma: Sequence[float] = (0.1, 2.0),
        gray_weights: Sequence[float] | None = None,
    ) -> None:
        self.view = view
        self.deviation = np.array([brightness, contrast, saturation, hue])
        self.jitter_prob = jitter_prob
        self.gray_prob = gray_prob
        self.blur_prob = blur_prob
        self.blur_sigma = tuple(blur_sigma)
        self.gray_weights = tuple(LUMA if gray_weights is None else gray_weights)

    def transform(self, results: dict) -> dict:
        """Draw the parameters of one view's colour augmentation.

        Raises:
            ValueError: saturation, hue or greyscale for images without three channels.
        """
        channels = results['img'].shape[2]
        if channels != 3 and (self.deviation[2:].any() or self.gray_prob):
            raise ValueError(
                f'ColorAugment: saturation, hue and gray need RGB, found {channels} '
                'channels; set saturation=0, hue=0 and gray_prob=0'
            )
        jitter = _UNCHANGED
        if np.random.rand() < self.jitter_prob:
            drawn = np.random.uniform(-self.deviation, self.deviation)
            jitter = np.maximum(_UNCHANGED + drawn, (0.0, 0.0, 0.0, -1.0))
        blurred = np.random.rand() < self.blur_prob
        # in the precision in which they travel, so that every place makes the same view
        results[self.view] = results[self.view]._replace(
            jitter=jitter.astype(np.float32).tolist(),
            order=np.random.permutation(4).tolist(),
            gray=(np.random.rand() < self.gray_prob,),
            blur=(np.float32(np.random.uniform(*self.blur_sigma) * blurred).item(),),
            gray_weights=self.gray_weights,
        )
        return results


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """Pack the master image with its views' parameters, or the finished views.

    Returns ``inputs``, for ``CMAEDataPreprocessor``.

    Args:
        views: names of the views to pack; MAE has ``('online',)``.
        where: 'device' packs the master image, uint8 (C, H, W), and each view's
            parameters as one tensor: cheapest when a GPU makes the views. 'worker' makes them
            here, uint8 (C, h, w): cheapest without a GPU. 'auto' chooses by whether
            there is one. Both make the same views but for rounding
            (:mod:`cmae_mm.worker_views`).
    """

    def __init__(
        self,
        views: Sequence[str] = ('online', 'target'),
        where: str = 'auto',
    ) -> None:
        if where not in ('device', 'worker', 'auto'):
            raise ValueError(f"where={where!r}: choose 'device', 'worker' or 'auto'")
        if where == 'auto':
            where = 'device' if torch.cuda.is_available() else 'worker'
        self.views = tuple(views)
        self.where = where

    def transform(self, results: dict) -> dict:
        views = {name: results[name] for name in self.views}
        own = [f'{name}_master' for name in views if f'{name}_master' in results]
        images = {'master': _contiguous(results['img']), **{name: results[name] for name in own}}
        if self.where == 'worker':
            inputs = {
                name: _to_chw(make_view(images.get(f'{name}_master', images['master']), view))
                for name, view in views.items()
            }
        else:
            inputs = {name: _to_chw(image) for name, image in images.items()}
            inputs.update({name: view.pack() for name, view in views.items()})
        return {'inputs': inputs}


def _contiguous(image: np.ndarray) -> np.ndarray:
    """Copy a view that RandomFlip left, by OpenCV, which is ten times as fast as numpy at it."""
    if image.strides[1] < 0:
        return cv2.flip(image[:, ::-1], 1).reshape(image.shape)
    return image


def _to_chw(image: np.ndarray) -> torch.Tensor:
    planes = np.empty((image.shape[2], *image.shape[:2]), np.uint8)
    cv2.split(image, list(planes))  # five times as fast as numpy's copy
    return torch.from_numpy(planes)
