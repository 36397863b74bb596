"""Labelled images beside their features."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Subset

from cmae_mm.evaluation import FrozenEncoder, LabelledImages, require_finite
from cmae_mm.evaluation.features import encode


class EncodedImages(NamedTuple):
    """The readable ones of some images of a folder.

    Attributes:
        folder: all images.
        indices: of these in the folder, N.
        labels: int64, shape (N,).
        features: float32, shape (N, D).
    """

    folder: LabelledImages
    indices: list[int]
    labels: Tensor
    features: Tensor

    @property
    def classes(self) -> tuple[str, ...]:
        return self.folder.classes or ()

    def image(self, row: int) -> Tensor:
        """Read the image of a row of features again, uint8 (C, H, W)."""
        sample = self.folder[self.indices[row]]
        if sample is None:
            raise ValueError(f'{self.folder.name}: image {self.indices[row]} can no longer be read')
        return sample['image']

    def images(self, rows: list[int]) -> Tensor:
        """Read the images of some rows again, uint8 (len(rows), C, H, W)."""
        return torch.stack([self.image(row) for row in rows])


def encode_images(
    encoder: FrozenEncoder, folder: LabelledImages, most: int = 2000, batch_size: int = 64
) -> EncodedImages:
    """Run images through the encoder, on the device that it is on.

    Args:
        encoder: to call.
        folder: to read.
        most: images to take; of more, evenly spread ones. The folder is in the order of classes.
        batch_size: images per call.

    Raises:
        ValueError: none of the images can be read, or features are not finite.
    """
    if most < 1:
        raise ValueError(f'{most} images were asked for: at least 1 is needed')
    count = min(most, len(folder))
    chosen = Subset(folder, [order * len(folder) // count for order in range(count)])
    rows = [
        (batch['index'], batch['gt_label'], encoder.pool(tokens).cpu())
        for batch, tokens in encode(encoder, chosen, batch_size, num_workers=0)
    ]
    if not rows:
        raise ValueError(f'no image in {folder.name} can be read')
    indices, labels, features = (torch.cat(column) for column in zip(*rows, strict=True))
    require_finite(features)
    return EncodedImages(folder, indices.tolist(), labels, features)
