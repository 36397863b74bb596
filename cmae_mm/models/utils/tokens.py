"""Outputs of encoders of any kind as tokens."""

from torch import Tensor


def as_tokens(output: Tensor) -> Tensor:
    """Return tokens, (N, L, D), of tokens or of a feature map, (N, D, h, w), row by row."""
    return output.flatten(2).transpose(1, 2) if output.ndim == 4 else output
