"""kNN, linear and attentive probe of a frozen encoder on two folders of images."""

from pathlib import Path

from torch import Tensor

from .encoder import FrozenEncoder
from .features import extract_features
from .images import ClassFolder
from .probes import attentive_predict, knn_predict, linear_predict
from .tokens import TokenStore


def evaluate_features(
    encoder: FrozenEncoder,
    train: str | Path,
    test: str | Path,
    shape: tuple[int, int, int],
    batch_size: int = 64,
    num_workers: int = 2,
    attentive: bool = False,
) -> dict[str, float]:
    """Measure how well probes trained on features of ``train`` classify ``test``.

    Args:
        encoder: to evaluate, on its device.
        train: folder of class folders with the images to train probes on.
        test: folder of the same class folders with the images to classify.
        shape: (channels, height, width) of the encoder's input.
        batch_size: images per call of the encoder.
        num_workers: processes that read images.
        attentive: train the attentive probe, too, on all tokens of the encoder's output (class
            token included), which a temporary file keeps: 2 bytes per number.

    Returns:
        ``knn``, ``linear`` and, if asked for, ``attentive``, top-1 accuracy in per cent, and the
        numbers of ``classes``, ``train_images`` and ``test_images``; with ``attentive`` also
        ``token_bytes``, the size of the tokens kept.

    Raises:
        FileNotFoundError, ValueError: see :class:`~.images.ClassFolder`.
    """
    channels, height, width = shape
    train_set = ClassFolder(train, (height, width), channels)
    classes = train_set.metainfo['classes']
    test_set = ClassFolder(test, (height, width), channels, classes)
    how = dict(batch_size=batch_size, num_workers=num_workers)
    stores = [TokenStore(len(images)) if attentive else None for images in (train_set, test_set)]
    known, known_labels = extract_features(
        encoder, train_set, label='train', store=stores[0], **how
    )
    features, labels = extract_features(encoder, test_set, label='test', store=stores[1], **how)
    results = dict(
        knn=_accuracy(knn_predict(known, known_labels, features), labels),
        linear=_accuracy(linear_predict(known, known_labels, features), labels),
    )
    if attentive:
        known_tokens, tokens = (store.tokens() for store in stores if store)
        device = encoder.data_preprocessor.device
        predicted = attentive_predict(known_tokens, known_labels, tokens, device=device)
        results['attentive'] = _accuracy(predicted, labels)
        results['token_bytes'] = known_tokens.nbytes + tokens.nbytes
    return dict(
        **results,
        classes=len(classes),
        train_images=len(known),
        test_images=len(features),
    )


def _accuracy(predictions: Tensor, labels: Tensor) -> float:
    return 100 * (predictions == labels).double().mean().item()
