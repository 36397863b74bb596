"""Learnable scales of a block's branches, folded into the layers that they scale."""

import re
from collections.abc import Container, Iterable

from torch import Tensor

# mmpretrain's names; the layer that each scales, within its block
_SCALES = {'attn.gamma1.weight': 'attn.proj', 'ffn.gamma2.weight': 'ffn.layers.1'}
_NAME = re.compile(r'(layers\.\d+\.)(attn\.gamma1\.weight|ffn\.gamma2\.weight)')


def fold_layer_scales(tensors: dict[str, Tensor], kept: Container[str] = ()) -> dict[str, Tensor]:
    """Fold mmpretrain's layer scales into the linear layers in front of them, which is exact.

    Args:
        tensors: of an encoder, by name.
        kept: scales to leave alone, as an encoder that has them wants them.

    Returns:
        the tensors without the folded scales.

    Raises:
        ValueError: a scale of another width than its layer, or without one.
    """
    folded = dict(tensors)
    for name in tensors:
        if (match := _NAME.fullmatch(name)) and name not in kept:
            fold_scale(folded, match[1] + _SCALES[match[2]], folded.pop(name), name)
    return folded


def fold_scale(tensors: dict[str, Tensor], module: str, scale: Tensor, name: str) -> None:
    """Multiply a scale of the outputs of a linear layer into its weight and bias, in place.

    Args:
        tensors: of an encoder, by name.
        module: name of the linear layer.
        scale: shape (outputs,).
        name: of the scale, for error messages.

    Raises:
        ValueError: the layer is missing or of another width.
    """
    weight, bias = tensors.get(f'{module}.weight'), tensors.get(f'{module}.bias')
    if bias is None or weight is None or scale.shape != bias.shape:
        expected = 'none' if bias is None else _shape(bias.shape)
        raise ValueError(
            f'{name} has shape {_shape(scale.shape)}, expected {expected}: the width of what it '
            'scales'
        )
    tensors[f'{module}.weight'] = weight * scale.unsqueeze(1)
    tensors[f'{module}.bias'] = bias * scale


def _shape(shape: Iterable[int]) -> str:
    return f'({", ".join(map(str, shape))})'
