import json

import numpy as np
import pytest

from cmae_mm.pictures import draw_curves, read_curves
from cmae_mm.pictures.curves import choose_metrics, smoothed


def log(folder, start, *records, tail=''):
    path = folder / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(record) + '\n' for record in records) + tail)


def training(step, **values):
    return dict(values, epoch=1 + step // 10, iter=step, step=step)


@pytest.fixture
def run(tmp_path):
    """Killed after step 30, whose checkpoint is of step 20, and resumed."""
    log(
        tmp_path,
        '20260101_000000',
        training(10, loss=3.0, lr=0.1),
        dict(step=10, **{'probe/knn': 30.0}),
        training(20, loss=2.0, lr=0.1),
        {'accuracy/top1': 50.0, 'time': 0.1, 'step': 2},  # after the second epoch
        training(30, loss=99.0, lr=0.1),
        tail='{"loss": 1',
    )
    log(
        tmp_path,
        '20260101_010000',
        training(30, loss=1.5, lr=0.1),
        training(40, loss=1.0, lr=0.1),
        dict(step=40, **{'probe/knn': 60.0}),
    )
    return tmp_path


def test_the_curves_are_what_was_logged(run):
    curves = read_curves(run)
    steps, values = curves['loss']
    assert steps.tolist() == [10, 20, 30, 40] and values.tolist() == [3.0, 2.0, 1.5, 1.0]
    assert [part.tolist() for part in curves['probe/knn']] == [[10, 40], [30.0, 60.0]]
    assert [part.tolist() for part in curves['accuracy/top1']] == [[20], [50.0]]


def test_a_run_started_anew_in_the_same_folder_replaces_the_first(run):
    log(run, '20260101_020000', training(10, loss=5.0))
    curves = read_curves(run)
    assert curves.keys() == {'loss', 'epoch'} and curves['loss'][1].tolist() == [5.0]


def test_losses_and_probes_are_drawn_and_others_if_asked_for():
    names = ['lr', 'loss', 'decode.loss_ce', 'time', 'probe/knn', 'probe/time', 'contrast/rank']
    assert choose_metrics(names) == ['loss', 'decode.loss_ce', 'probe/knn']
    assert choose_metrics(names, ['contrast/*', 'lr']) == ['contrast/rank', 'lr']
    with pytest.raises(ValueError, match="no metric 'acc' was logged: choose from contrast/rank,"):
        choose_metrics(names, ['acc'])


def test_a_figure_holds_the_values_of_all_runs(run):
    curves = read_curves(run)
    other = {'loss': (np.array([10, 50]), np.array([4.0, 0.5]))}
    figure = draw_curves({'first': curves, 'second': other})
    loss, *rest = [axis for axis in figure.axes if axis.get_visible()]
    assert [loss.get_title(), *(axis.get_title() for axis in rest)] == [
        'loss',
        'probe/knn',
        'accuracy/top1',
    ]
    drawn = [line.get_xydata().T.tolist() for line in loss.lines]
    assert drawn == [[[10, 20, 30, 40], [3.0, 2.0, 1.5, 1.0]], [[10, 50], [4.0, 0.5]]]
    assert loss.lines[0].get_color() != loss.lines[1].get_color()
    assert [text.get_text() for text in figure.legends[0].texts] == ['first', 'second']


def test_long_curves_are_averaged_over_themselves():
    steps = np.arange(300.0)
    figure = draw_curves({'run': {'loss': (steps, steps % 2)}})
    raw, mean = figure.axes[0].lines
    assert np.array_equal(raw.get_ydata(), steps % 2)
    assert np.allclose(mean.get_ydata(), 0.5) and len(mean.get_xdata()) == 291
    assert smoothed(np.array([1.0, 5.0])).tolist() == [1.0, 5.0]


def test_a_folder_without_logs_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='give the work folder of a run'):
        read_curves(tmp_path)
