"""Turn a batch of master images, or of views made by workers, into normalised views."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.views import make_views


@MODELS.register_module()
class CMAEDataPreprocessor(BaseDataPreprocessor):
    """Make the views of a batch on the device and normalise them.

    Args:
        mean: one number per channel, in [0, 255], in the images' channel order.
        std: one number per channel.
        views: the views to make: ``('online', 'target')`` for CMAE, which gets a list; a
            single view (MAE) is passed as a tensor.
        non_blocking: copy to the device without waiting.
    """

    channel_order = 'RGB'  # of the images it takes; the hosts' take BGR

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        views: tuple[str, ...] = ('online', 'target'),
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if len(mean) != len(std):
            raise ValueError(
                f'mean has {len(mean)} channels, std has {len(std)}: give each one number per '
                'channel'
            )
        self.views = tuple(views)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make and normalise the views of a batch.

        Args:
            data: ``inputs`` as ``PackViews`` packs it and ``default_collate``
                joins it: either the views, uint8 or float32 in [0, 255], (N, C, h, w) by name,
                or what :func:`~cmae_mm.views.make_views` makes them from. A tensor is a batch of
                whole images, as evaluation shows them.
            training: not used; the randomness of views comes with their parameters.

        Returns:
            ``inputs``: list of float32 (N, C, h, w), a tensor if there is one view, and
            ``data_samples``: None.

        Raises:
            ValueError: the images' number of channels differs from that of mean and std.
        """
        inputs = data['inputs']
        if isinstance(inputs, Tensor):
            return {'inputs': self._normalize(self.cast_data(inputs)), 'data_samples': None}
        # mixed precision begins with the model: pixels keep their 8 bits
        with torch.autocast(self.mean.device.type, enabled=False):
            if 'master' in inputs:
                inputs = make_views(self._masters_to_device(inputs), self.views)
            views = [self._normalize(self.cast_data(inputs[name])) for name in self.views]
        return {'inputs': views if len(views) > 1 else views[0], 'data_samples': None}

    def _masters_to_device(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copy images to the device; the views' small parameters stay on the CPU."""
        return {
            name: self.cast_data(value) if name.endswith('master') else value
            for name, value in inputs.items()
        }

    def _normalize(self, view: Tensor) -> Tensor:
        if view.shape[1] != len(self.mean):
            raise ValueError(
                f'images of {view.shape[1]} channels, mean and std of '
                f'{len(self.mean)}: make the color_type of LoadImage, the '
                'in_channels of the backbone and the data preprocessor agree'
            )
        # bytes to float32 in one pass
        return torch.addcmul(-self.mean / self.std, view, 1 / self.std)
