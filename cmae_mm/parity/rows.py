"""Comparing numbers with those of a fixture."""

from typing import NamedTuple

from torch import Tensor

LOSS, OUTPUT, GRADIENT = 1e-5, 1e-4, 1e-3  # allowed differences; of gradients, relative ones


class Row(NamedTuple):
    """One line of the table of differences."""

    rank: int
    quantity: str
    difference: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is allowed."""
        return self.difference <= self.allowed  # False for NaN


def tensor_row(
    quantity: str, found: Tensor, expected: Tensor, allowed: float = OUTPUT, rank: int = 0
) -> Row:
    """Compare two tensors by their largest difference; other shapes are infinitely far."""
    if found.shape != expected.shape:
        return Row(rank, quantity, float('inf'), allowed)
    return Row(rank, quantity, (found - expected).abs().max().item(), allowed)


def worst_row(
    kind: str,
    found: dict[str, float],
    expected: dict[str, float],
    allowed: float = GRADIENT,
    floor: float = 0.01,
    rank: int = 0,
) -> Row:
    """Compare norms by name: the largest difference relative to max(norm, floor).

    A missing norm is infinitely far.
    """
    differences = {
        name: abs(found.get(name, float('inf')) - norm) / max(norm, floor)
        for name, norm in expected.items()
    }
    name = max(differences, key=differences.__getitem__)
    return Row(rank, f'{kind}, worst {name}', differences[name], allowed)
