"""Checkpoints of the released code as checkpoints of this package."""

import torch
from torch import Tensor

from .names import STEM

# ImageNet's statistics of R, G, B, as the released configs have them
_MEAN = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64)
_STD = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64)

_MODULES = (
    'backbone.',
    'target_backbone.',
    'pixel_decoder.',
    'feature_decoder.',
    'projector.',
    'target_projector.',
    'head.predictor.',
)
_ENCODERS = ('backbone.', 'target_backbone.')


def convert_released(tensors: dict[str, Tensor], fold_channels: bool = True) -> dict[str, Tensor]:
    """Rename, and make the encoders take RGB and the pixel decoder give it.

    Encoders give the same features as before, up to rounding (1e-4). The pixel decoder's
    outputs get the order of RGB; the statistics of R and B, which the released code swaps as
    well, remain swapped in them. They can't be folded: a patch is normalised with all its
    channels, by a deviation that the decoder does not know. What remains is a warm tint: with a
    decoder that is perfect there, reconstructions of 64 photographs have 15 grey levels too much
    red and 14 too little blue on average, of 255, and a reconstruction loss of 0.51 (left in the
    old order: 22 levels either way, contours swapped as well, 1.03).

    Args:
        tensors: of a whole checkpoint of the released code, or of a backbone
            extracted from one (tools/extract_backbone_weights.py there), whose
            names lack ``backbone.``.
        fold_channels: see :func:`fold_channel_swap`; False carries the patch
            embeddings and the pixel decoder over as they are.

    Returns:
        the tensors in this package's names.

    Raises:
        ValueError: not a checkpoint of the released code.
    """
    if f'{STEM}.weight' in tensors:
        tensors = {f'backbone.{name}': tensor for name, tensor in tensors.items()}
    if f'backbone.{STEM}.weight' not in tensors:
        raise ValueError(
            f"not a checkpoint of the released CMAE code: expected 'backbone.{STEM}.weight', or "
            f"the same without 'backbone.'; found {', '.join(sorted(tensors)[:3])}, ..."
        )
    converted = {name: tensor for name, tensor in tensors.items() if name.startswith(_MODULES)}
    if fold_channels:
        for encoder in _ENCODERS:
            prefix = f'{encoder}{STEM}'
            if f'{prefix}.weight' in converted:
                converted[f'{prefix}.weight'], converted[f'{prefix}.bias'] = fold_channel_swap(
                    converted[f'{prefix}.weight'], converted[f'{prefix}.bias']
                )
        for name in ('pixel_decoder.decoder_pred.weight', 'pixel_decoder.decoder_pred.bias'):
            if name in converted:
                # patch² pixels of three channels each: patchify of the released head
                converted[name] = converted[name].unflatten(0, (-1, 3)).flip(1).flatten(0, 1)
    return converted


def fold_channel_swap(weight: Tensor, bias: Tensor):
    """A patch embedding of wrongly normalised BGR, made one of normalised RGB.

    The released pipeline reads RGB, swaps the channels and then normalises with
    the RGB statistics (``Normalize(to_rgb=True)``), so its networks were
    trained on ``y[c] = (x[2 - c] - mean[c]) / std[c]``. With normalised RGB
    ``z[c] = (x[c] - mean[c]) / std[c]`` that is ``y[c] = a[c] z[2 - c] + b[c]``,
    which a convolution absorbs.

    Args:
        weight: shape (D, 3, p, p).
        bias: shape (D,).

    Returns:
        weight and bias that give the same output for z as the old ones for y.

    Raises:
        ValueError: the embedding does not take three channels.
    """
    if weight.shape[1] != 3:
        raise ValueError(
            f'the patch embedding takes {weight.shape[1]} channels, not RGB: convert '
            'with --keep-channels'
        )
    scale = _STD.flip(0) / _STD  # a
    offset = (_MEAN.flip(0) - _MEAN) / _STD  # b
    exact = weight.double()
    folded = (exact * scale.view(1, 3, 1, 1)).flip(1)
    shift = (exact.sum(dim=(2, 3)) * offset).sum(dim=1)
    return folded.to(weight.dtype), (bias.double() + shift).to(bias.dtype)
