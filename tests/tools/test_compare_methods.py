import argparse
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mmpretrain.registry import MODELS

from tests.helpers.configs import read_config
from tests.helpers.process import ROOT


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    import compare_methods

    return compare_methods


def test_schedules_are_stretched_with_the_epochs(tool):
    cfg = read_config(tool.METHODS['CMAE'].path)
    tool.stretch(cfg, 20)
    warm_up, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == cosine.end == 20
    assert (warm_up.end, cosine.begin, cosine.T_max) == (2, 2, 18)


def test_every_method_leaves_an_encoder_for_the_classifier(tool):
    for method in tool.METHODS.values():
        backbone = tool.encoder_to_tune(method.path, None)
        widths = {MODELS.build(backbone).embed_dims}
        assert widths == {read_config(tool.FINE_TUNING).model.head.in_channels}


def test_no_run_waits_for_a_teacher_that_another_trains(tool):
    runs = tool.ordered_runs(argparse.Namespace(seeds=[0, 1], methods=['MoCo v3', 'MimCo', 'MAE']))
    assert [run[:2] for run in runs] == [
        (name, seed) for seed in (0, 1) for name in ('MoCo v3', 'MAE', 'MimCo')
    ]


def test_time_before_an_interruption_counts(tool, tmp_path):
    run = tool.Run('MAE', 0, argparse.Namespace(work_dir=tmp_path))
    with pytest.raises(ValueError, match='MAE, seed 0: pretrain failed; see .*pretrain.log'):
        run._call('pretrain', ['-c', 'import sys; sys.exit(sum(range(10**6)) > 0)'])
    spent = run.folder / 'pretrain.seconds'
    assert float(spent.read_text()) > 0
    spent.write_text('100')
    assert run._call('pretrain', ['-c', 'print(7)']) > 100
    assert (run.folder / 'pretrain.log').read_text() == '7\n'


def test_what_runs_when_the_tool_is_ended_is_ended_and_counted(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, '_stopping', threading.Event())
    run = tool.Run('MAE', 0, argparse.Namespace(work_dir=tmp_path))
    child = "import signal; signal.alarm(60); print('runs', flush=True); signal.pause()"
    run.folder.mkdir(parents=True)
    log = run.folder / 'pretrain.log'
    os.mkfifo(log)  # reading it waits for the child
    with ThreadPoolExecutor(1) as pool:
        stage = pool.submit(run._call, 'pretrain', ['-c', child])
        with log.open() as output:
            assert output.readline() == 'runs\n'
        with pytest.raises(KeyboardInterrupt):
            tool.stop()
        assert 'pretrain failed' in str(stage.exception(timeout=30))
    assert float((run.folder / 'pretrain.seconds').read_text()) > 0 and not tool._running
    with pytest.raises(KeyboardInterrupt):  # of a thread that waited for it
        run._call('features', ['-c', 'pass'])


def test_labels_are_those_of_the_first_images_of_each_class(tool):
    labels = [0] * 20 + [1] * 10
    assert tool.first_of_each(labels, 10) == [0, 1, 20]
    assert tool.first_of_each(labels, 100) == list(range(30))


def test_the_table_has_means_deviations_and_gaps(tool, tmp_path):
    rows = {'MAE': [{'knn': 30.0, 'minutes': 2.0}, {'knn': 32.0}], 'CMAE': []}
    tool.write_table(rows, tmp_path / 'table.md')
    lines = (tmp_path / 'table.md').read_text().splitlines()
    assert lines[0].startswith('|  | seeds | kNN | linear probe |')
    assert lines[2].startswith('| MAE | 2 | 31.0 ± 1.4 |') and lines[2].endswith('| 2.0 |  |')
    assert lines[3].startswith('| CMAE | 0 |  |')


def test_finished_stages_are_not_repeated_and_the_teacher_is_counted(tool, tmp_path, monkeypatch):
    started = []

    def train(run, stage, cfg):
        assert 'probe' not in cfg.default_hooks  # its time is not the method's
        started.append((run.name, stage, cfg.model.get('teacher', {}).get('checkpoint')))
        return 60.0

    monkeypatch.setattr(tool.Run, '_train', train)
    monkeypatch.setattr(tool, 'labels_of', lambda images: [0] * 500)
    args = argparse.Namespace(images=tmp_path, epochs=2, work_dir=tmp_path)
    run = tool.Run('MimCo', 3, args)
    for name in ('mimco', 'moco-v3'):
        os.makedirs(tmp_path / name / 'seed3')
    checkpoint = run.pretrain()
    teacher = str(tmp_path / 'moco-v3/seed3/pretrain/epoch_2.pth')
    assert checkpoint == tmp_path / 'mimco/seed3/pretrain/epoch_2.pth'
    assert started == [('MoCo v3', 'pretrain', None), ('MimCo', 'pretrain', teacher)]
    assert run.results() == {'thousands': 2.0, 'minutes': 2.0, 'rate': pytest.approx(2000 / 120)}
    monkeypatch.undo()
    # its JSON says that a stage is done
    (tmp_path / 'mimco/seed3/features.json').write_text(json.dumps({'knn': 1.0}))
    run._evaluate(checkpoint)
    assert run.results()['knn'] == 1.0
