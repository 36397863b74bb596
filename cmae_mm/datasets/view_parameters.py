"""Draw the parameters of a master image's views."""

import random
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import TRANSFORMS

from cmae_mm.views import LUMA, UNCHANGED, ViewParameters

from .master_image import MasterCrop

_LEAST = (0.0, 0.0, 0.0, -1.0)  # brightness, contrast, saturation, hue
_ORDERS = tuple(permutations(range(4)))


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
        top, left = random.randint(0, self.max_shift), random.randint(0, self.max_shift)
        results['online'] = ViewParameters((0, 0, crop_h, crop_w))
        results['target'] = ViewParameters((top, left, crop_h, crop_w))
        return results


@TRANSFORMS.register_module()
class IndependentCrop(MasterCrop):
    """In place of the pixel shift: a random resized crop for the target view.

    The spatial augmentation that the paper compares pixel shift with (Sec. 4.4).
    The online crop stays the master image's corner at (0, 0); the target gets a
    random box of the master image, resized to the size of the crop. Before
    ``MasterCrop``, the box is one of the whole image, and the two views are independent crops.

    Adds ``online`` and ``target``, each :class:`~cmae_mm.views.ViewParameters`, and
    ``target_master``, uint8 (h, w, C).

    Args:
        crop_size: (height, width) of the views or one number, in pixels.
        **kwargs: of :class:`MasterCrop`, such as ``crop_ratio_range``.
    """

    def __init__(self, crop_size, **kwargs) -> None:
        super().__init__(crop_size, **kwargs)

    def transform(self, results: dict) -> dict:
        target = {'img': results['img']}
        super().transform(target)
        results['target_master'] = target['img']
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
        self.deviation = (brightness, contrast, saturation, hue)
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
        if channels != 3 and (any(self.deviation[2:]) or self.gray_prob):
            raise ValueError(
                f'ColorAugment: saturation, hue and gray need RGB, found {channels} '
                'channels; set saturation=0, hue=0 and gray_prob=0'
            )
        jitter: Sequence[float] = UNCHANGED
        sigma = 0.0
        if random.random() < self.jitter_prob:
            drawn = zip(_LEAST, UNCHANGED, self.deviation, strict=True)
            jitter = [max(least, x + random.uniform(-most, most)) for least, x, most in drawn]
        if random.random() < self.blur_prob:
            sigma = random.uniform(*self.blur_sigma)
        # in the precision in which they travel, so that every place makes the same view
        *jitter, sigma = np.float32([*jitter, sigma]).tolist()
        results[self.view] = ViewParameters(
            results[self.view].box,
            jitter,
            order=random.choice(_ORDERS),
            gray=(random.random() < self.gray_prob,),
            blur=(sigma,),
            gray_weights=self.gray_weights,
        )
        return results
