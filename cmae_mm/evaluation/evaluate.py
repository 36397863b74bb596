"""What the frozen features of an encoder are good for: probes, retrieval, effective rank."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from mmengine.dist import get_world_size
from torch import Tensor

from .attentive_probe import attentive_predict
from .encoder import FrozenEncoder, require_finite
from .feature_file import FeatureFile, encoder_fingerprint
from .features import extract_own_features
from .images import LabelledImages, labelled_images, number_of_classes
from .linear_probe import fit_linear_probe
from .metrics import classification_metrics
from .moments import effective_rank, moments
from .neighbours import nearest_over_ranks, vote
from .retrieval import retrieval
from .sharing import gather_rows
from .tokens import TokenStore


def evaluate_features(
    encoder: FrozenEncoder,
    train: str | Path | dict,
    test: str | Path | dict,
    shape: tuple[int, int, int],
    batch_size: int = 64,
    num_workers: int = 2,
    attentive: bool = False,
    features: str | Path | None = None,
    k: int = 20,
    l2: float | None = None,
    seed: int = 0,
    loading: dict | None = None,
) -> dict:
    """Measure how well probes trained on features of ``train`` classify ``test``.

    Ranks share the images, the training features and the work; each returns the results.

    Args:
        encoder: to evaluate, on its device, the same on all ranks.
        train: images to train probes on: a folder of class folders, or the config of a data set
            with labels, of which an image may have several.
        test: images of the same classes, to classify.
        shape: (channels, height, width) of the encoder's input.
        batch_size: images per call of the encoder.
        num_workers: processes that read images, for each rank.
        attentive: train the attentive probe, too, on all tokens of the encoder's output (class
            token included), which a temporary file keeps: 2 bytes per number.
        features: folder that keeps features; those that it has are not computed again.
        k: number of neighbours that vote.
        l2: regularisation of the linear probe; None means the best for held-out training images.
        seed: of what is held out.
        loading: how images are read, of :func:`~.images.image_loading`.

    Returns:
        ``knn``, ``linear`` and, if asked for, ``attentive``, in per cent: top-1 accuracy, or mean
        average precision if images have several labels; ``knn_metrics`` and ``linear_metrics``
        (:func:`~.metrics.classification_metrics`); ``l2``; ``retrieval`` among the test images
        (:func:`~.retrieval.retrieval`); ``effective_rank`` of the training features and their
        ``width``; the numbers of ``classes``, ``train_images`` and ``test_images``; ``seconds`` by
        stage; with ``attentive`` also ``token_bytes``, the size of the tokens kept.

    Raises:
        FileNotFoundError, ValueError: images, labels or kept features can't be used
            (:mod:`~.images`, :mod:`~.features`, :mod:`~.feature_file`), or not for this probe.
        OSError: features or tokens can't be written.
    """
    channels, height, width = shape
    size = (height, width)
    train_set = labelled_images(train, size, channels, loading=loading)
    test_set = labelled_images(test, size, channels, train_set.classes, loading)
    if attentive:
        _check_attentive(train_set, features)
    how = dict(batch_size=batch_size, num_workers=num_workers)
    sets = dict(train=train_set, test=test_set)
    files: dict[str, FeatureFile | None] = {}
    stores: dict[str, TokenStore | None] = {}
    seconds: dict[str, float] = {}
    for name, images in sets.items():
        files[name] = None
        if features:
            files[name] = _feature_file(features, name, encoder, images, shape, loading)
        stores[name] = TokenStore(len(images)) if attentive else None
    with _timed(seconds, 'features'):
        (own, own_labels), (own_tests, own_test_labels) = (
            extract_own_features(encoder, images, files[name], stores[name], label=name, **how)
            for name, images in sets.items()
        )
        tests, labels = gather_rows(own_tests), gather_rows(own_test_labels)
        known_labels = gather_rows(own_labels)
    device = encoder.data_preprocessor.device
    classes = number_of_classes(train_set, known_labels, labels)
    with _timed(seconds, 'knn'):
        votes = vote(*nearest_over_ranks(tests, own, k, device=device), known_labels, classes)
    with _timed(seconds, 'linear'):
        of_all = moments(own, device=device)
        require_finite(of_all.mean)
        probe = fit_linear_probe(own, own_labels, classes, l2, seed, device, of_all)
        logits = probe.scores(tests)
    with _timed(seconds, 'retrieval'):
        found = retrieval(tests, labels, device=device)
    with _timed(seconds, 'metrics'):
        of_knn, of_linear = (_metrics(scores, labels, train_set) for scores in (votes, logits))
    headline = 'mAP' if train_set.multi_label else 'accuracy'
    results = dict(
        knn=of_knn[headline],
        linear=of_linear[headline],
        knn_metrics=of_knn,
        linear_metrics=of_linear,
        l2=probe.l2,
        retrieval=found,
        effective_rank=effective_rank(of_all),
        width=tests.shape[1],
        classes=classes,
        train_images=len(known_labels),
        test_images=len(labels),
        seconds=seconds,
    )
    if attentive:
        tokens = [store.tokens() for store in stores.values() if store]
        with _timed(seconds, 'attentive'):
            predicted = attentive_predict(tokens[0], known_labels, tokens[1], device=device)
        results['attentive'] = 100 * (predicted == labels).double().mean().item()
        results['token_bytes'] = sum(part.nbytes for part in tokens)
    return results


def _metrics(scores: Tensor, labels: Tensor, images: LabelledImages) -> dict:
    """Return the metrics, recall by the classes' names if they have any."""
    metrics = classification_metrics(scores, labels)
    if images.classes and not images.multi_label:
        recalls = metrics['recall_per_class']
        metrics['recall_per_class'] = dict(zip(images.classes, recalls, strict=True))
    return metrics


def _check_attentive(images: LabelledImages, features: str | Path | None) -> None:
    if get_world_size() > 1:
        raise ValueError('the attentive probe runs in one process')
    if images.multi_label:
        raise ValueError(
            f'the attentive probe needs one label per image, {images.name} has several'
        )
    if features is not None:
        raise ValueError('the attentive probe needs all tokens, which are not kept as features are')


def _feature_file(
    folder: str | Path,
    name: str,
    encoder: FrozenEncoder,
    images: LabelledImages,
    shape: tuple[int, int, int],
    loading: dict | None,
) -> FeatureFile:
    contents = dict(
        loading=', '.join(f'{key}={value}' for key, value in sorted((loading or {}).items())),
        size='x'.join(map(str, shape)),
        encoder=encoder_fingerprint(encoder),
        files=images.fingerprint(),
    )
    return FeatureFile(folder, name, (len(images), encoder.width(shape)), contents)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 2)
