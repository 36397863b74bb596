"""Labelled images beside their features."""

from typing import NamedTuple

import torch
from torch import Tensor

from cmae_mm.evaluation import ClassFolder, FrozenEncoder


class EncodedImages(NamedTuple):
    """The readable ones of some images of a folder.

    Attributes:
        folder: all images.
        indices: of these in the folder, N.
        labels: int64, shape (N,).
        features: float32, shape (N, D).
    """

    folder: ClassFolder
    indices: list[int]
    labels: Tensor
    features: Tensor

    @property
    def classes(self) -> tuple[str, ...]:
        return self.folder.metainfo['classes']

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
    encoder: FrozenEncoder, folder: ClassFolder, most: int = 2000, batch_size: int = 64
) -> EncodedImages:
    """Run images through the encoder, on the device that it is on.

    Args:
        encoder: to call.
        folder: to read.
        most: images to take; of more, evenly spread ones. The folder is in the order of classes.
        batch_size: images per call.

    Raises:
        ValueError: none of the images can be read.
    """
    count = min(most, len(folder))
    samples: list[Tensor] = []
    indices: list[int] = []
    labels: list[int] = []
    features: list[Tensor] = []

    def encode() -> None:
        features.append(encoder(torch.stack(samples).to(encoder.data_preprocessor.device)).cpu())
        samples.clear()

    for index in (order * len(folder) // count for order in range(count)):
        sample = folder[index]
        if sample is None:
            continue
        samples.append(sample['image'])
        indices.append(index)
        labels.append(int(sample['gt_label']))
        if len(samples) == batch_size:
            encode()
    if samples:
        encode()
    if not features:
        raise ValueError(f'no image in {folder.data_root!r} can be read')
    return EncodedImages(folder, indices, torch.tensor(labels), torch.cat(features))
