"""Linear probe: logistic regression on standardised features, by L-BFGS on a device."""

from typing import NamedTuple

import torch
from mmengine.dist import all_gather, all_reduce, get_rank
from torch import Tensor
from torch.nn import functional as F

from .moments import Moments, moments

# Regularisations to choose from, the strongest first: each starts from the weights before.
L2_GRID = tuple(10.0**-exponent for exponent in range(1, 8))
_HELD_OUT = 0.1  # of the training images, to choose by
_CHUNK = 8192  # rows at once
_MAX_STEPS = 200  # of L-BFGS, per regularisation


class LinearProbe(NamedTuple):
    """Scores of classes as a linear function of features.

    Attributes:
        weight: shape (classes, D).
        bias: shape (classes,).
        mean: of the training features, shape (D,): subtracted first.
        l2: regularisation that it was trained with.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    l2: float

    def scores(self, features: Tensor) -> Tensor:
        """Return logits, float32, shape (M, classes), of features of shape (M, D)."""
        parts = (rows.to(self.mean.device).float() for rows in features.split(_CHUNK))
        return torch.cat([(rows - self.mean) @ self.weight.T + self.bias for rows in parts])


def fit_linear_probe(
    features: Tensor,
    labels: Tensor,
    classes: int,
    l2: float | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    of_all: Moments | None = None,
) -> LinearProbe:
    """Train the probe on features of which every rank holds a part.

    It minimises mean loss + ``l2 / 2 * |W|^2``, the weights W being those of standardised features:
    for one label per image, cross-entropy, and the result is scikit-learn's LogisticRegression
    with C = 1 / (l2 * N); for several, binary cross-entropy summed over classes.

    The device holds the features in float32, standardised and turned to their principal axes,
    along which each weight can be scaled by its curvature: L-BFGS then takes fewer steps to the
    same minimum.

    Args:
        features: this rank's part, shape (n, D), of any precision; may be mapped from a file.
        labels: int64 in [0, classes), shape (n,), or, if an image may have several, booleans,
            shape (n, classes).
        classes: number of classes.
        l2: regularisation; None means that of ``L2_GRID`` down to which the loss of a tenth of
            the images, held out, falls; all are then trained on.
        seed: of what is held out, which does not depend on the number of ranks.
        device: to train on; None means that of ``features``.
        of_all: moments of the features of all ranks, if they are known.

    Raises:
        ValueError: l2 is negative.
    """
    if l2 is not None and l2 < 0:
        raise ValueError(f'regularisation {l2:g}: expected 0 or more')
    device = features.device if device is None else device
    of_all = moments(features, device=device) if of_all is None else of_all
    held_out = _held_out(len(features), of_all.count, seed)
    order = torch.cat([(~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]])
    to_axes, variances = _principal_axes(of_all)
    rows = _along_axes(features, order, of_all.mean, to_axes)
    targets = labels[order].to(device)
    curvature = torch.cat([variances, variances.new_ones(1)]).float()

    def train(count: int, l2: float, start: Tensor, tolerance: float) -> Tensor:
        objective = _Objective(rows[:count], targets[:count], l2)
        return _minimise(objective, curvature, start, tolerance)

    weights = torch.zeros(classes, rows.shape[1], device=device)
    if l2 is None:
        known = len(order) - int(held_out.sum())
        loss_of = _Objective(rows[known:], targets[known:], 0.0)
        least, l2 = torch.inf, L2_GRID[0]
        for candidate in L2_GRID:
            trained = train(known, candidate, weights, tolerance=1e-7)
            loss = loss_of(trained)[0].item()
            if loss >= least:
                break
            least, l2, weights = loss, candidate, trained
    weights = train(len(order), l2, weights, tolerance=1e-9)
    weight = weights[:, :-1].double() @ to_axes.T
    return LinearProbe(weight.float(), weights[:, -1], of_all.mean.float(), l2)


def linear_predict(train_features: Tensor, train_labels: Tensor, features: Tensor, **how) -> Tensor:
    """Predict labels by the probe of :func:`fit_linear_probe`, whose further arguments these are.

    Args:
        train_features: shape (N, D).
        train_labels: int64 in [0, classes), shape (N,).
        features: shape (M, D).

    Returns:
        labels, int64, shape (M,), on the device of ``features``.
    """
    probe = fit_linear_probe(train_features, train_labels, int(train_labels.max()) + 1, **how)
    return probe.scores(features).argmax(dim=1).to(features.device)


class _Objective:
    """Regularised mean loss over the rows of all ranks, and its gradient.

    Args:
        rows: this rank's, float32, shape (n, D + 1), the last column ones.
        targets: int64, shape (n,), or booleans, shape (n, classes).
        l2: times half the sum of squares of all weights but the biases.
    """

    def __init__(self, rows: Tensor, targets: Tensor, l2: float) -> None:
        self.rows, self.targets, self.l2 = rows, targets, l2
        count = torch.tensor([len(rows)])
        all_reduce(count)
        self.count = count.item()

    def __call__(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the value, float64, and the gradient at weights of shape (classes, D + 1)."""
        sums = weights.new_zeros(weights.numel() + 1, dtype=torch.float64)
        gradient = torch.zeros_like(weights)
        for rows, targets in zip(self.rows.split(_CHUNK), self.targets.split(_CHUNK), strict=True):
            losses, errors = _losses_and_errors(rows @ weights.T, targets)
            sums[0] += losses.double().sum()
            gradient.addmm_(errors.T, rows)
        sums[1:] = gradient.flatten()
        all_reduce(sums)
        sums /= self.count
        penalised = weights.clone()
        penalised[:, -1] = 0
        value = sums[0] + self.l2 / 2 * penalised.double().square().sum()
        return value, sums[1:].view_as(weights).float() + self.l2 * penalised


def _losses_and_errors(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses and their derivatives by the logits."""
    if targets.ndim == 2:
        losses = F.binary_cross_entropy_with_logits(logits, targets.float(), reduction='none')
        return losses, logits.sigmoid() - targets.float()
    logarithms = logits.log_softmax(dim=1)
    losses = -logarithms.gather(1, targets[:, None])
    errors = logarithms.exp()
    errors.scatter_add_(1, targets[:, None], torch.full_like(losses, -1))
    return losses, errors


def _minimise(objective: _Objective, curvature: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """Minimise over weights of shape (classes, D + 1), whose columns differ in curvature.

    Stops when a step changes the loss by less than the tolerance.
    """
    # while all classes are about as likely: p (1 - p) of the variance, with p = 1 / classes
    curvature = curvature / len(start)
    curvature[:-1] += objective.l2
    scale = curvature.rsqrt()
    scaled = (start / scale).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [scaled],
        max_iter=_MAX_STEPS,
        tolerance_grad=1e-5,
        tolerance_change=tolerance,
        history_size=10,
        line_search_fn='strong_wolfe',
    )

    def closure() -> Tensor:
        value, gradient = objective(scaled.detach() * scale)
        scaled.grad = gradient * scale
        return value

    optimizer.step(closure)
    return scaled.detach() * scale


def _held_out(own: int, total: int, seed: int) -> Tensor:
    """Say which of this rank's rows are held out: booleans, shape (own,)."""
    counts = [int(count) for count in all_gather(torch.tensor([own]))]
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    held_out = torch.zeros(total, dtype=torch.bool)
    held_out[drawn[: max(round(_HELD_OUT * total), 1)]] = True
    return held_out.split(counts)[get_rank()]


def _principal_axes(of: Moments) -> tuple[Tensor, Tensor]:
    """Return (D, D), which standardises and turns to principal axes, and the variances there."""
    covariance = of.covariance
    deviation = covariance.diagonal().clamp(min=0).sqrt()
    # a constant feature stays constant, whatever rounding has left of its deviation
    constant = deviation <= 1e-7 * of.second.diagonal().sqrt()
    inverse = torch.where(constant, 1.0, 1 / deviation)
    variances, axes = torch.linalg.eigh(covariance * inverse.outer(inverse))
    return inverse[:, None] * axes, variances.clamp(min=0)


def _along_axes(features: Tensor, order: Tensor, mean: Tensor, to_axes: Tensor) -> Tensor:
    """Return features in an order, centred, along axes, float32, with a column of ones."""
    rows = torch.ones(len(order), features.shape[1] + 1, device=mean.device)
    mean, to_axes = mean.float(), to_axes.float()
    for part, index in zip(rows.split(_CHUNK), order.split(_CHUNK), strict=True):
        part[:, :-1] = (features[index].to(mean.device).float() - mean) @ to_axes
    return rows
