"""What the pictures share: colours that colour-blind readers tell apart, grids, files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Okabe and Ito's colours (jfly.uni-koeln.de/color), without black and yellow: that is hard to
# see on white
COLORS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#56B4E9')
RIGHT, WRONG = COLORS[0], COLORS[3]
MARKERS = 'os^DvPX*'

_DPI = 120


def new_figure(width: float, height: float):
    """Return a matplotlib figure of a size in inches, apart from any display and from pyplot."""
    # imported here: training does not need matplotlib until it draws
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained', dpi=_DPI)


def image_axes(rows: int, columns: int, tile: float, right: float = 0.0):
    """Return a figure and its axes, (rows, columns), for images of ``tile`` inches without ticks.

    Args:
        right: inches of further width, for text.
    """
    figure = new_figure(columns * tile + right, rows * tile + 0.35)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def to_rgb(image: Tensor) -> np.ndarray:
    """Turn an image, (C, H, W), into uint8 (H, W, 3); of other than 3 channels the first, grey.

    Args:
        image: uint8, or float32 in [0, 255].
    """
    shown = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    return shown.permute(1, 2, 0).to('cpu', torch.uint8).numpy()


def save(figure, path: str | Path) -> None:
    """Write a figure as a PNG, and make its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format='png')


def to_array(figure) -> np.ndarray:
    """Draw a figure as RGB pixels, uint8 (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
