"""Features in the plane, coloured by class."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from .style import COLORS, MARKERS, new_figure

METHODS = ('tsne', 'umap')

_NAMED_IN_PLACE = 24  # with more classes names would cover each other


def embed(features: Tensor, method: str = 'tsne', seed: int = 0) -> np.ndarray:
    """Map features to the plane, similar ones (in their cosine) close to each other.

    Args:
        features: shape (N, D), N at least 4.
        method: 'tsne', scikit-learn's, or 'umap', of the package umap-learn.
        seed: the same gives the same points.

    Returns:
        float32, shape (N, 2). Only who is whose neighbour means something: neither the axes nor
        distances between groups do.

    Raises:
        ImportError: no umap-learn.
        ValueError: fewer than 4 features, or an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f'method={method!r}: choose from {", ".join(METHODS)}')
    if len(features) < 4:
        raise ValueError(f'{len(features)} images: at least 4 are needed to place them')
    directions = F.normalize(features, dim=1).numpy()
    neighbours = min(30, (len(features) - 1) // 3)
    if method == 'umap':
        if find_spec('umap') is None:
            raise ImportError(
                'UMAP is not installed: pip install umap-learn, or choose --method tsne'
            )
        import umap

        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that one thread is used where a seed is given
            return umap.UMAP(n_neighbors=max(2, neighbours), random_state=seed).fit_transform(
                directions
            )
    # imported here: the rest of the package does not need scikit-learn
    from sklearn.manifold import TSNE

    # Of unit vectors Euclidean distance grows with the angle
    return TSNE(perplexity=max(1, neighbours), init='pca', random_state=seed).fit_transform(
        directions
    )


def draw_embedding(points: np.ndarray, labels: Tensor, names: Sequence[str], title: str = ''):
    """Draw points, each class with a colour and a marker of its own, and its name among them.

    Args:
        points: shape (N, 2).
        labels: int64 in [0, len(names)), shape (N,).
        names: of the classes.
        title: above.

    Returns:
        a matplotlib figure.
    """
    from matplotlib.patheffects import withStroke

    figure = new_figure(9, 6.5)
    axis = figure.subplots()
    present = labels.unique().tolist()
    for order, label in enumerate(present):
        own = points[labels.numpy() == label]
        axis.scatter(
            *own.T,
            s=18,
            color=COLORS[order % len(COLORS)],
            marker=MARKERS[order // len(COLORS) % len(MARKERS)],
            alpha=0.75,
            linewidth=0,
            label=names[label],
        )
        if len(present) <= _NAMED_IN_PLACE:
            centre = np.median(own, axis=0)
            near = own[((own - centre) ** 2).sum(axis=1).argmin()]
            axis.text(
                *near,
                names[label],
                fontsize=10,
                ha='center',
                va='center',
                path_effects=[withStroke(linewidth=3, foreground='white')],
            )
    axis.set(xticks=[], yticks=[], title=title)
    axis.margins(0.03)
    if len(present) <= 4 * _NAMED_IN_PLACE:
        columns = 1 + (len(present) - 1) // _NAMED_IN_PLACE
        figure.legend(loc='outside right center', ncols=columns, fontsize=9, frameon=False)
    return figure
