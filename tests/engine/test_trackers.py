"""A training that is resumed, in each tracker's own files, read by its own package."""

import json
import struct
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.visualization import Visualizer

from cmae_mm.engine import trackers
from tests.helpers.configs import CONFIGS
from tests.helpers.files import write_images
from tests.helpers.runs import ITERATIONS, config, train

IMAGE = 'reconstruction'


def tracked(tmp_path, name, **options):
    """A config with a tracker of the base configs."""
    cfg = config(tmp_path, 'run', dict(ITERATIONS))
    cfg.merge_from_dict(dict(Config.fromfile(CONFIGS / '_base_' / 'trackers' / f'{name}.py')))
    cfg.merge_from_dict({f'trackers.{name}.{k}': v for k, v in options.items()})
    return cfg


def train_in_two_parts(cfg, tmp_path):
    """Kill a run of 9 steps in its sixth and resume it; a picture before and after."""
    write_images(tmp_path / 'images', num=6)
    first = train(Config(cfg.to_dict()), kill_at=5)
    picture = np.full((8, 12, 3), 200, np.uint8)
    first.visualizer.add_image(IMAGE, picture, step=5)
    first.visualizer.close()
    cfg.resume = True
    second = RUNNERS.build(cfg)
    second.visualizer.add_image(IMAGE, picture, step=9)
    second.train()
    return Path(cfg.work_dir)


def test_tensorboard(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = train_in_two_parts(tracked(tmp_path, 'tensorboard'), tmp_path)
    [run] = (out / 'tensorboard').iterdir()
    events = EventAccumulator(str(run)).Reload()
    assert {'loss_rc', 'loss_ct', 'lr'} <= {*events.Tags()['scalars']}
    assert [event.step for event in events.Scalars('loss_rc')] == [*range(1, 10)]
    assert [event.step for event in events.Images(IMAGE)] == [5, 9]


def logged_records(path):
    """Records of a file in LevelDB's log format: blocks of 32 KiB of parts with headers of 7."""
    data, place, record = path.read_bytes(), 7, b''  # the file has a header of 7, too
    while place + 7 <= len(data):
        if place % 32768 > 32768 - 7:
            place += -place % 32768
        size, kind = struct.unpack('<HB', data[place + 4 : place + 7])
        if place + 7 + size > len(data):
            return  # wandb's process is still writing what comes after a run's end
        record += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or its last part
            yield record
            record = b''


def test_wandb_offline(tmp_path):
    pytest.importorskip('wandb')
    from wandb.proto.wandb_internal_pb2 import Record

    options = {'init_kwargs.mode': 'offline'}
    out = train_in_two_parts(tracked(tmp_path, 'wandb', **options), tmp_path)
    rows, runs = [], set()
    for path in sorted(out.glob('wandb/offline-run-*/*.wandb')):
        for record in map(Record.FromString, logged_records(path)):
            if record.HasField('run'):
                runs.add(record.run.run_id)
            items = record.history.item
            rows.append({(i.key or i.nested_key[0]): json.loads(i.value_json) for i in items})
    assert runs == {(out / 'wandb_run.txt').read_text()}
    assert [row['step'] for row in rows if 'loss_rc' in row] == [*range(1, 10)]
    assert [row['step'] for row in rows if IMAGE in row] == [5, 9]


def test_mlflow(tmp_path):
    pytest.importorskip('mlflow')
    from mlflow import MlflowClient

    with mock.patch.dict('os.environ'):
        out = train_in_two_parts(tracked(tmp_path, 'mlflow'), tmp_path)
        client = MlflowClient((out / 'mlflow').as_uri())
        experiment = client.get_experiment_by_name('cmae')
        [run] = client.search_runs([experiment.experiment_id])
        losses = client.get_metric_history(run.info.run_id, 'loss_rc')
        assert [loss.step for loss in losses] == [*range(1, 10)]
        assert run.info.status == 'FINISHED'
        assert run.data.params['model.backbone.type'] == 'CMAEViT'
        images = [file.path for file in client.list_artifacts(run.info.run_id, 'images')]
        assert any('step+5' in path or 'step%5' in path for path in images)


@pytest.mark.slow  # ClearML analyses the repository before it closes: up to minutes
def test_clearml_offline(tmp_path, monkeypatch):
    monkeypatch.setenv('CLEARML_OFFLINE_MODE', '1')
    monkeypatch.setenv('CLEARML_CACHE_DIR', str(tmp_path))
    pytest.importorskip('clearml')
    out = train_in_two_parts(tracked(tmp_path, 'clearml'), tmp_path)
    name = (out / 'clearml_run.txt').read_text()
    with zipfile.ZipFile(tmp_path / 'offline' / f'{name}.zip') as session:
        lines = session.read('metrics.jsonl').decode().splitlines()
    values = [value for line in lines for value in json.loads(line)]
    steps = [value['iter'] for value in values if value.get('variant') == 'loss_rc']
    assert steps == [*range(1, 10)]


def test_a_missing_package_is_named_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, 'find_spec', lambda name: None)
    cfg = tracked(tmp_path, 'wandb')
    cfg.model = None  # not reached
    with pytest.raises(ImportError, match=r"needs wandb, .*'cmae_mm\[trackers\]'"):
        RUNNERS.build(cfg)


def test_ranks_but_the_first_open_no_run(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, 'find_spec', lambda name: True)
    backend = dict(type='mmpretrain.TensorboardTracker')
    visualizer = Visualizer(vis_backends=[backend], save_dir=str(tmp_path))
    with mock.patch('mmengine.dist.utils.get_rank', return_value=1):
        visualizer.add_config(tracked(tmp_path, 'tensorboard'))
        visualizer.add_scalars({'loss': 1.0}, step=1)
    visualizer.close()
    assert not [*tmp_path.rglob('tensorboard*')]
