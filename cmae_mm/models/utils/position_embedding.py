"""Position embeddings of patch grids."""

from collections.abc import Sequence

from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor


def sincos_position_embedding(grid: Sequence[int], width: int, class_token: bool = True) -> Tensor:
    """Return the fixed 2-D sine-cosine position embedding.

    Args:
        grid: patches of an image, (rows, columns).
        width: of a token; divisible by 4.
        class_token: prepend zeros for the class token.

    Returns:
        Shape (1, [1 +] rows * columns, width), patches in row-major order.
    """
    # The host's function traverses its grid by columns, tokens are ordered by rows. On square
    # grids that only swaps the axes' names; on others it is wrong.
    return build_2d_sincos_position_embedding(grid[::-1], width, cls_token=class_token)
