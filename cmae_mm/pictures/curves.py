"""Losses and metrics of runs, from what they have logged."""

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from .style import COLORS, new_figure

Curve = tuple[np.ndarray, np.ndarray]  # steps and values

_DEFAULT = ('*loss*', 'probe/knn', 'probe/linear', 'accuracy/*', 'mIoU', '*mAP')
_COLUMNS = 3
_POINTS = 60  # a line with more is drawn smoothed, over itself
_LINES = ('-', '--', ':', '-.')


def read_curves(folder: str | Path) -> dict[str, Curve]:
    """Read what a run has logged, in all its starts.

    Args:
        folder: work folder of the run, with ``<time>/vis_data/scalars.json`` for each start.

    Returns:
        steps, increasing, and values by name, of everything that is a number. What an interrupted
        start logged after the step from which the next went on is left out. Metrics of a
        validation that counts epochs stand at the last step before it that was logged.

    Raises:
        FileNotFoundError: nothing is logged there.
    """
    files = sorted(Path(folder).glob('*/vis_data/scalars.json'))
    points: dict[str, dict[int, float]] = {}
    for file in files:
        records = [*_placed(file)]
        for curve in points.values():
            start = min((step for step, _ in records), default=float('inf'))
            for step in [step for step in curve if step >= start]:
                del curve[step]
        for step, record in records:
            for name, value in record.items():
                points.setdefault(name, {})[step] = value
    curves = {
        name: (np.array(list(curve)), np.array(list(curve.values())))
        for name, curve in points.items()
        if curve
    }
    if not curves:
        raise FileNotFoundError(
            f'no */vis_data/scalars.json with values in {str(folder)!r}: give the work folder of a '
            'run, work_dirs/...'
        )
    return curves


def _placed(file: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """The numbers of each line of a log, and the training step that they belong to."""
    last = 0
    for line in file.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # cut off by what ended the run
            continue
        last = max(last, record.pop('iter', 0), record.pop('step', 0))
        yield last, {k: v for k, v in record.items() if isinstance(v, (int, float))}


def choose_metrics(names: Sequence[str], patterns: Sequence[str] | None = None) -> list[str]:
    """Choose what to draw, in the order of the patterns.

    Args:
        names: of all curves.
        patterns: as of file names; by default losses, probes and metrics of validations.

    Raises:
        ValueError: a given pattern fits no name.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns or _DEFAULT:
        fitting = [name for name in names if fnmatch(name, pattern)]
        if patterns and not fitting:
            raise ValueError(
                f'no metric {pattern!r} was logged: choose from {", ".join(sorted(names))}'
            )
        chosen.update(dict.fromkeys(fitting))
    return [*chosen]


def draw_curves(runs: dict[str, dict[str, Curve]], metrics: Sequence[str] | None = None):
    """Draw each metric of one or several runs.

    Long curves are drawn twice: faint as they are, and averaged.

    Args:
        runs: curves of :func:`read_curves` by the name of the run.
        metrics: patterns of :func:`choose_metrics`.

    Returns:
        a matplotlib figure.

    Raises:
        ValueError: see :func:`choose_metrics`, or nothing to draw.
    """
    names = choose_metrics([*dict.fromkeys(name for run in runs.values() for name in run)], metrics)
    if not names:
        raise ValueError('neither losses nor metrics were logged: choose others with --metrics')
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(3.6 * columns, 2.7 * rows + 0.3 * (len(runs) > 1))
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, name in zip(axes, names):
        for order, (run, curves) in enumerate(runs.items()):
            if name in curves:
                _draw(axis, *curves[name], order, run)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel('step', fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        axis.spines[['top', 'right']].set_visible(False)
    for axis in [*axes][len(names) :]:
        axis.set_visible(False)
    if len(runs) > 1:
        from matplotlib.lines import Line2D

        lines = [Line2D([], [], **_look(order)) for order in range(len(runs))]
        figure.legend(
            lines, [*runs], loc='outside upper center', ncols=min(4, len(runs)), frameon=False
        )
    return figure


def _look(order: int) -> dict:
    """Colour and line of a run; after all colours the next kind of line."""
    kind = _LINES[order // len(COLORS) % len(_LINES)]
    return dict(color=COLORS[order % len(COLORS)], linestyle=kind, linewidth=1.8)


def _draw(axis, steps: np.ndarray, values: np.ndarray, order: int, run: str) -> None:
    look = _look(order)
    if len(steps) <= _POINTS:
        axis.plot(steps, values, **look, marker='o' if len(steps) < 20 else None, markersize=3)
        return
    axis.plot(steps, values, color=look['color'], alpha=0.25, linewidth=0.8)
    axis.plot(smoothed(steps), smoothed(values), **look)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Average over a window of a thirtieth of all points: (N,) to (N - window + 1,)."""
    window = max(1, len(values) // 30)
    return np.convolve(values, np.full(window, 1 / window), mode='valid')
