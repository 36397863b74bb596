"""Pictures of predictions by classifiers, segmentors and detectors, next to the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmengine.runner import Runner

_COLORS = colormaps['tab20']
_MIN_SCORE = 0.3  # of the objects that are drawn


class Answer(NamedTuple):
    """True or predicted labels of one image.

    Attributes:
        labels: class of the image, shape (), of each pixel, (H, W), or each object, (n,).
        boxes: of objects, (n, 4): left, top, right, bottom in pixels; else None.
        masks: of objects, bool (n, H, W); else None.
    """

    labels: np.ndarray
    boxes: np.ndarray | None = None
    masks: np.ndarray | None = None


class Example(NamedTuple):
    """An image, uint8 (H, W) or (H, W, 3), as large as the file's, with its answers."""

    image: np.ndarray
    truth: Answer
    prediction: Answer


@torch.no_grad()
def predict_examples(runner: Runner, number: int) -> list[Example]:
    """Predict images spread evenly over the runner's validation set.

    Args:
        runner: of mmpretrain, mmsegmentation or mmdetection, that has validated.
        number: of images.
    """
    dataset = runner.val_loop.dataloader.dataset
    model = runner.model.eval()
    examples = []
    for index in np.linspace(0, len(dataset) - 1, number).round().astype(int):
        data = dataset[int(index)]
        (sample,) = model.test_step(
            dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
        )
        image = data['inputs'].permute(1, 2, 0).numpy()
        image = image[..., 0] if image.shape[2] == 1 else image[..., ::-1]  # the hosts read BGR
        rows, columns = sample.ori_shape  # that of the answers; the model may see it smaller
        image = mmcv.imresize(image, (columns, rows), interpolation='nearest')
        examples.append(Example(image, *_answers(sample)))
    return examples


def draw_examples(
    columns: dict[str, Sequence[Example]], classes: Sequence[str], path: str | Path
) -> None:
    """Write a PNG with one row per image: image, truth, and one prediction per model.

    Args:
        columns: the same images by model, as :func:`predict_examples` returns them.
        classes: names of the labels.
        path: of the PNG.
    """
    rows = list(zip(*columns.values()))
    names = ['image', 'truth', *columns]
    figure = Figure(figsize=(2 * len(names), 2 * len(rows) + 0.3), layout='constrained')
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    for row, examples in zip(axes, rows):
        image, truth = examples[0].image, examples[0].truth
        answers = [None, truth, *(example.prediction for example in examples)]
        for axis, answer in zip(row, answers):
            axis.set(xticks=[], yticks=[])
            _show(axis, image, cmap='gray', vmin=0, vmax=255)
            if answer is not None:
                _draw(axis, answer, truth, classes)
    for axis, name in zip(axes[0], names):
        axis.set_title(name)
    if rows[0][0].truth.labels.ndim == 2:  # per pixel: there is no room for names in the picture
        patches = [Patch(color=_color(label), label=name) for label, name in enumerate(classes)]
        figure.legend(handles=patches, loc='outside lower center', ncols=5)
    figure.savefig(path, dpi=110)


def _answers(sample) -> tuple[Answer, Answer]:
    """Return the true and the predicted answer of a data sample of any of the three hosts."""
    if 'pred_label' in sample:
        return Answer(sample.gt_label[0].numpy()), Answer(sample.pred_label[0].numpy())
    if 'pred_sem_seg' in sample:
        truth, found = sample.gt_sem_seg, sample.pred_sem_seg
        return Answer(truth.data[0].numpy()), Answer(found.data[0].numpy())
    truth, found = sample.gt_instances, sample.pred_instances
    found = found[found.scores > _MIN_SCORE]
    return (
        Answer(truth.labels.numpy(), _array(truth.bboxes), truth.masks.to_ndarray().astype(bool)),
        Answer(found.labels.numpy(), _array(found.bboxes), found.masks.numpy().astype(bool)),
    )


def _array(boxes) -> np.ndarray:
    return getattr(boxes, 'tensor', boxes).numpy()  # mmdetection's truth is a box type


def _draw(axis: Axes, answer: Answer, truth: Answer, classes: Sequence[str]) -> None:
    if answer.boxes is not None and answer.masks is not None:
        for label, box, mask in zip(answer.labels, answer.boxes, answer.masks):
            _draw_object(axis, box, mask, _color(label), classes[int(label)])
    elif answer.labels.ndim:
        _show(axis, _color(answer.labels), alpha=0.7)
    else:
        right = answer.labels == truth.labels
        axis.set_xlabel(classes[int(answer.labels)], color='green' if right else 'red')


def _color(labels: np.ndarray | int) -> np.ndarray:
    return np.array(_COLORS(labels % 20))  # RGBA


def _show(axis: Axes, pixels: np.ndarray, **kwargs) -> None:
    height, width = pixels.shape[:2]
    axis.imshow(pixels, extent=(0, width, height, 0), **kwargs)  # in the coordinates of the boxes


def _draw_object(
    axis: Axes, box: np.ndarray, mask: np.ndarray, color: np.ndarray, name: str
) -> None:
    _show(axis, mask[..., None] * [*color[:3], 0.5])
    left, top, right, bottom = box
    axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=color, lw=1)
    axis.text(left, top, name, fontsize=7, color='white', backgroundcolor=color)
