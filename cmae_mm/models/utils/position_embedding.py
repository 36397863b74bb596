"""Position embeddings of patch grids."""

from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor


def sincos_position_embedding(
    grid: tuple[int, int], width: int, class_token: bool = True
) -> Tensor:
    """Return the fixed 2-D sine-cosine position embedding.

    Args:
        grid: patches of an image, (rows, columns).
        width: of a token; divisible by 4.
        class_token: begin with a zero for the class token.

    Returns:
        Shape (1, [1 +] rows * columns, width), patches in row-major order.
    """
    # The host's function walks its grid column by column; tokens come row by
    # row. On square grids that is a renaming of axes, on others an error.
    return build_2d_sincos_position_embedding(grid[::-1], width, cls_token=class_token)
