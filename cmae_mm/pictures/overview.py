"""What a pre-trained model does with a few images, in one picture."""

from mmpretrain.models import BaseSelfSupervisor

from cmae_mm.evaluation import FrozenEncoder, nearest, reconstruct

from .attention import attention_maps, overlay
from .encoded import EncodedImages
from .neighbours import draw_neighbour, first_of_each_class
from .style import image_axes, to_rgb

_COLUMNS = ('image', 'visible', 'reconstructed', 'attention')


def draw_overview(
    model: BaseSelfSupervisor,
    encoder: FrozenEncoder,
    asked: EncodedImages,
    bank: EncodedImages,
    count: int = 5,
    k: int = 4,
):
    """Draw a row for each of some images: reconstruction, attention and nearest neighbours.

    Args:
        model: of :func:`cmae_mm.evaluation.build_pretrained`; masks are drawn by torch's generator.
        encoder: the model's.
        asked: images; the first of each class is drawn.
        bank: images to search for neighbours, of the same classes.
        count: of rows, at most.
        k: neighbours of each.

    Returns:
        a matplotlib figure. Attention is the class token's or, without one, the middle patch's,
        mean over the heads of the last block.
    """
    rows = first_of_each_class(asked.labels, count).tolist()
    images = asked.images(rows).to(encoder.data_preprocessor.device)
    masked, filled = reconstruct(model, images)
    inputs, grid = encoder.normalise(images), encoder.backbone.patch_resolution
    of_class, of_middle = attention_maps(encoder.backbone, inputs, [(grid[0] // 2, grid[1] // 2)])
    attention = (of_class if of_class.shape[1] else of_middle[:, 0]).mean(dim=1)
    cosines, indices = nearest(asked.features[rows], bank.features, k)

    figure, axes = image_axes(len(rows), len(_COLUMNS) + k, tile=1.35)
    figure.set_figheight(len(rows) * 1.55 + 0.3)
    for axis, title in zip(axes[0], (*_COLUMNS, 'nearest first')):
        axis.set_title(title, fontsize=9)
    for order, row in enumerate(rows):
        parts = [to_rgb(part[order]) for part in (images, masked, filled)]
        for axis, part in zip(axes[order], [*parts, overlay(images[order], attention[order])]):
            axis.imshow(part)
        label = int(asked.labels[row])
        axes[order, 0].set_xlabel(asked.classes[label], fontsize=9, fontweight='bold', labelpad=2)
        found = zip(axes[order, len(_COLUMNS) :], indices[order].tolist(), cosines[order].tolist())
        for axis, index, cosine in found:
            draw_neighbour(axis, bank, index, cosine, right=int(bank.labels[index]) == label)
    return figure
