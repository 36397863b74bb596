"""Reconstructions by a pre-trained model of the patches hidden from it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmpretrain.models import MAE, BaseSelfSupervisor
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cmae_mm.checkpoints import load_state_dict, require_fit
from cmae_mm.models import ReconstructionHead, build_model
from cmae_mm.models.utils.masking import as_patch_mask

_HIDDEN = 127  # grey of a hidden patch
_GAP = 4  # white pixels between the images of a grid
_TILE = 128  # images of a grid are enlarged by a whole factor up to this side


def build_pretrained(cfg: Config, checkpoint: str | Path | None) -> BaseSelfSupervisor:
    """Build the whole model of a pre-training config and load a checkpoint.

    Args:
        cfg: of the training.
        checkpoint: path; None leaves the model untrained, as at the start of training.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: the model does not reconstruct, or the checkpoint does not fit it.
    """
    model = build_model(cfg)
    if not can_reconstruct(model):
        raise ValueError(
            f"{cfg.model.type} cannot reconstruct images: give a config with model.type='CMAE', "
            "'MaskedReconstruction', 'MAE' or 'ContextAutoencoder' (of pixels)"
        )
    if checkpoint is None:
        model.init_weights()
    else:
        require_fit(checkpoint, model, whole=True)
        model.load_state_dict(load_state_dict(checkpoint))
    return model.eval()


def can_reconstruct(model: BaseSelfSupervisor) -> bool:
    """Whether :func:`reconstruct` takes the model: it predicts pixels."""
    if isinstance(model, MAE):
        return True
    return hasattr(model, 'reconstruct') and not model.with_target_generator


def reconstruct(model: BaseSelfSupervisor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Hide patches at random (torch's generator) and reconstruct them.

    Args:
        model: of :func:`build_pretrained`.
        images: uint8, or float32 in [0, 255], shape (N, C, H, W).

    Returns:
        the images with hidden patches in grey, and those with hidden patches as
        predicted, both of the same type, (N, C, H, W). Visible pixels are the images' own.
    """
    normalise = model.data_preprocessor
    predict = getattr(model, 'reconstruct', None) or partial(_reconstruct_by_mae, model)
    predictions, mask = predict(normalise({'inputs': images})['inputs'])
    predictions = (predictions * normalise.std + normalise.mean).clamp(0, 255)
    if images.dtype == torch.uint8:
        predictions = predictions.round()
    predictions = predictions.to(images)
    hidden = mask.bool().to(images.device)  # (N, 1, H, W)
    grey = torch.full_like(images, _HIDDEN)
    return torch.where(hidden, grey, images), torch.where(hidden, predictions, images)


@torch.no_grad()
def _reconstruct_by_mae(model: MAE, images: Tensor) -> tuple[Tensor, Tensor]:
    """What :meth:`cmae_mm.models.CMAE.reconstruct` does, by mmpretrain's MAE."""
    head = ReconstructionHead(
        model.backbone.patch_resolution,
        norm_pix=model.head.norm_pix,
        patch_size=model.head.patch_size,
        in_channels=images.shape[1],
    )
    tokens, mask, ids_restore = model.backbone(images)
    pixels = model.neck(tokens, ids_restore)
    return head.images(pixels.float(), images), head.pixel_mask(as_patch_mask(mask.bool().cpu()))


def image_grid(rows: Sequence[Tensor]) -> Tensor:
    """Arrange images in rows, with white gaps.

    Args:
        rows: uint8, each (N, C, H, W) of the same shape.

    Returns:
        uint8, shape (C, rows * h + gaps, N * w + gaps); h and w are H and W times a
        whole number.
    """
    height, width = rows[0].shape[2:]
    factor = max(1, _TILE // max(height, width))
    tiles = torch.stack(list(rows)).repeat_interleave(factor, 3)
    tiles = tiles.repeat_interleave(factor, 4)  # (rows, N, C, h, w)
    tiles = F.pad(tiles, (0, _GAP, 0, _GAP), value=255)
    grid = tiles.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)
    return grid[:, :-_GAP, :-_GAP]


def save_reconstructions(
    model: BaseSelfSupervisor,
    images: Tensor,
    path: str | Path,
    channels: Sequence[int] = (0, 1, 2),
) -> None:
    """Write a PNG with three rows: original, masked, reconstructed.

    Args:
        model: of :func:`build_pretrained`.
        images: uint8, or float32 in [0, 255], shape (N, C, H, W), one column each.
        path: of the PNG.
        channels: those drawn in red, green and blue if C is neither 1 nor 3. They, and images
            of 16 bits, are stretched to the range of the originals.

    Raises:
        ValueError: there are no such channels.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_reconstructions(model, images, channels)).save(path)


def draw_reconstructions(
    model: BaseSelfSupervisor, images: Tensor, channels: Sequence[int] = (0, 1, 2)
) -> np.ndarray:
    """Draw the rows of :func:`save_reconstructions`, uint8, (H, W) or (H, W, 3)."""
    rows = [images, *reconstruct(model, images)]
    if images.shape[1] not in (1, 3):
        rows = _choose(rows, channels)
    if images.shape[1] not in (1, 3) or images.is_floating_point():
        rows = _stretch(*rows)
    grid = image_grid(rows).permute(1, 2, 0)  # (H, W, C)
    return grid.squeeze(2).cpu().numpy()


def _choose(rows: Sequence[Tensor], channels: Sequence[int]) -> list[Tensor]:
    count = rows[0].shape[1]
    if not all(0 <= channel < count for channel in channels):
        raise ValueError(
            f'channels {", ".join(map(str, channels))}: expected three of 0 to {count - 1}'
        )
    return [row[:, list(channels)] for row in rows]


def _stretch(images: Tensor, masked: Tensor, filled: Tensor) -> list[Tensor]:
    """Map the least and the highest level of each channel to 0 and 255; uint8."""
    images, filled = images.float(), filled.float()
    hidden = (masked != images).any(dim=1, keepdim=True)
    least, most = (f(images, (0, 2, 3), keepdim=True) for f in (torch.amin, torch.amax))
    images, filled = (
        ((row - least) / (most - least).clamp(min=1e-6) * 255).round().clamp(0, 255)
        for row in (images, filled)
    )
    return [row.to(torch.uint8) for row in (images, images.where(~hidden, _HIDDEN), filled)]
