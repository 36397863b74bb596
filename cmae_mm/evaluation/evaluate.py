"""kNN and linear probe of a frozen encoder on two folders of images."""

from pathlib import Path

from torch import Tensor

from .encoder import FrozenEncoder
from .features import extract_features
from .images import ClassFolder
from .probes import knn_predict, linear_predict


def evaluate_features(
    encoder: FrozenEncoder,
    train: str | Path,
    test: str | Path,
    shape: tuple[int, int, int],
    batch_size: int = 64,
    num_workers: int = 2,
) -> dict[str, float]:
    """Measure how well probes trained on features of ``train`` classify ``test``.

    Args:
        encoder: to evaluate, on its device.
        train: folder of class folders with the images to train probes on.
        test: folder of the same class folders with the images to classify.
        shape: (channels, height, width) of the encoder's input.
        batch_size: images per call of the encoder.
        num_workers: processes that read images.

    Returns:
        ``knn`` and ``linear``, top-1 accuracy in per cent, and the numbers of ``classes``,
        ``train_images`` and ``test_images``.

    Raises:
        FileNotFoundError, ValueError: see :class:`~.images.ClassFolder`.
    """
    channels, *size = shape
    train_set = ClassFolder(train, size, channels)
    classes = train_set.metainfo['classes']
    test_set = ClassFolder(test, size, channels, classes)
    how = dict(batch_size=batch_size, num_workers=num_workers)
    known, known_labels = extract_features(encoder, train_set, label='train', **how)
    features, labels = extract_features(encoder, test_set, label='test', **how)
    return dict(
        knn=_accuracy(knn_predict(known, known_labels, features), labels),
        linear=_accuracy(linear_predict(known, known_labels, features), labels),
        classes=len(classes),
        train_images=len(known),
        test_images=len(features),
    )


def _accuracy(predictions: Tensor, labels: Tensor) -> float:
    return 100 * (predictions == labels).double().mean().item()
