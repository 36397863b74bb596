"""Masks and the tokenizer's view beside the normalised images."""

from collections.abc import Sequence

import torch
from mmpretrain.models.utils import to_2tuple
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.views import resize_lanczos

from .data_preprocessor import CMAEDataPreprocessor
from .masking import as_patch_mask


@MODELS.register_module()
class CAEDataPreprocessor(CMAEDataPreprocessor):
    """Normalise images, and hand on the masks that were drawn with them.

    Args:
        mean, std: see :class:`CMAEDataPreprocessor`.
        target_size: (height, width) of the tokenizer's view or one number, in pixels; None
            without a tokenizer. The view is the image itself, resized on the device by Lanczos'
            filter, by which the released code resizes the original's crop.
        target_mean, target_std: of the tokenizer's view, of all channels; DALL-E's maps
            [0, 255] to [0.1, 0.9].
        **kwargs: see :class:`CMAEDataPreprocessor`; there is one view.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        target_size=None,
        target_mean: float = -31.875,
        target_std: float = 318.75,
        **kwargs,
    ) -> None:
        super().__init__(mean, std, views=('online',), **kwargs)
        self.target_size = to_2tuple(target_size) if target_size else None
        self.target_mean, self.target_std = target_mean, target_std

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make the inputs of a ``ContextAutoencoder``.

        Args:
            data: ``inputs`` as :class:`CMAEDataPreprocessor` takes them, with ``mask``, bool
                (N, rows, columns), True = removed. A tensor is a batch of whole images, as
                evaluation shows them.
            training: not used.

        Returns:
            ``inputs``: images, float32 (N, C, h, w); their ``PatchMask``; and with
            ``target_size`` the tokenizer's view. Of whole images the images alone.

        Raises:
            ValueError: there is no mask.
        """
        images = super().forward(data, training)['inputs']
        if isinstance(data['inputs'], Tensor):
            return {'inputs': images, 'data_samples': None}
        if 'mask' not in data['inputs']:
            raise ValueError('images without masks: add BlockMask to the data pipeline')
        mask = as_patch_mask(data['inputs']['mask'].flatten(1))
        inputs = [images, self.cast_data(mask)]
        if self.target_size:
            inputs.append(self._target_view(images, self.target_size))
        return {'inputs': inputs, 'data_samples': None}

    def _target_view(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            small = resize_lanczos(images, size)
            pixels = torch.addcmul(self.mean, small, self.std).clamp(0, 255)  # it overshoots
            return (pixels - self.target_mean) / self.target_std
