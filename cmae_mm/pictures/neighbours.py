"""The images that an encoder takes for most similar."""

import torch
from torch import Tensor

from cmae_mm.evaluation import nearest

from .encoded import EncodedImages
from .style import RIGHT, WRONG, image_axes, to_rgb


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Choose queries: the first image of each of ``count`` classes, spread evenly.

    Args:
        labels: int64, shape (N,).

    Returns:
        indices, int64, by class; as many as there are classes if that is less.
    """
    classes = labels.unique()
    count = min(count, len(classes))
    chosen = classes[torch.arange(count) * len(classes) // count]
    return (labels == chosen[:, None]).int().argmax(dim=1)


def draw_neighbours(asked: EncodedImages, bank: EncodedImages, count: int = 8, k: int = 6):
    """Draw a row for each query: itself, then the images of the bank that are most similar.

    A neighbour of the query's class has a blue frame and a tick, one of another class an orange
    frame and a cross; below stand its class and its cosine.

    Args:
        asked: queries are the first images of its classes.
        bank: images to search, of the same classes.
        count: of queries, at most.
        k: neighbours of each.

    Returns:
        a matplotlib figure.

    Raises:
        ValueError: less than one query or neighbour.
    """
    if count < 1:
        raise ValueError(f'{count} queries were asked for: at least 1 is needed')
    queries = first_of_each_class(asked.labels, count).tolist()
    cosines, indices = nearest(asked.features[queries], bank.features, k)
    figure, axes = image_axes(len(queries), 1 + indices.shape[1], tile=1.35)
    figure.set_figheight(len(queries) * 1.55 + 0.3)
    axes[0, 0].set_title('query', fontsize=10)
    axes[0, 1].set_title('nearest first', fontsize=10, loc='left')
    for axes_of_query, query, found, similar in zip(axes, queries, indices, cosines):
        label = int(asked.labels[query])
        axes_of_query[0].imshow(to_rgb(asked.image(query)))
        axes_of_query[0].set_xlabel(asked.classes[label], fontsize=9, fontweight='bold', labelpad=2)
        for axis, index, cosine in zip(axes_of_query[1:], found.tolist(), similar.tolist()):
            draw_neighbour(axis, bank, index, cosine, right=int(bank.labels[index]) == label)
    return figure


def draw_neighbour(axis, bank: EncodedImages, index: int, cosine: float, right: bool) -> None:
    """Draw an image with its class and cosine, framed by whether the class is right."""
    colour = RIGHT if right else WRONG
    axis.imshow(to_rgb(bank.image(index)))
    text = f'{"✓" if right else "✗"} {bank.classes[bank.labels[index]]} {cosine:.2f}'
    axis.set_xlabel(text, fontsize=8, color=colour, labelpad=2)
    for spine in axis.spines.values():
        spine.set(visible=True, edgecolor=colour, linewidth=3)
