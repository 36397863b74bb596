import json

import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.demo.downstream import PRETRAINED, RANDOM, Task, run_transfer
from tests.helpers.configs import CONFIGS, read_config
from tests.helpers.demo import HOSTS, read_task, shortened
from tests.helpers.hosts import require_models

METRICS = {
    'classification': {'accuracy/top1': 'accuracy'},
    'segmentation': {'mIoU': 'mIoU'},
    'detection': {'coco/bbox_mAP_50': 'box AP50'},
}


def small_task(name, data):
    """The quickstart's config, after one step on a few pictures."""
    require_models(HOSTS[name])
    return Task(name.capitalize(), shortened(read_task(name), data), METRICS[name])


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Of the quickstart's encoder, untrained."""
    quickstart = read_config(CONFIGS / 'cmae' / 'cmae_quickstart.py')
    path = tmp_path_factory.mktemp('checkpoint') / 'epoch_18.pth'
    torch.save({'state_dict': MODELS.build(quickstart.model).state_dict()}, path)
    return str(path)


@pytest.mark.parametrize('name', METRICS)
def test_leaves_what_it_says(name, data, checkpoint, tmp_path, capsys):
    results = run_transfer([small_task(name, data)], checkpoint, str(tmp_path))
    task, (title,) = name.capitalize(), METRICS[name].values()
    for start in (RANDOM, PRETRAINED):
        assert 0 <= results[task][start][title] <= 100
    assert json.loads((tmp_path / 'results.json').read_text()) == results
    page = (tmp_path / 'report.html').read_text()
    assert f'{results[task][PRETRAINED][title]:.1f} %' in page
    assert 'encoder tensors' in page
    assert (tmp_path / f'{name}.png').stat().st_size > 10_000 and 'data:image/png' in page
    # the screen has the stages and results, the host's log is in a file
    stage, *lines = capsys.readouterr().out.splitlines()
    assert stage == f'[1/1] {task}'
    assert len(lines) == 2 and set(lines) == {
        f'      {start}: {title} {results[task][start][title]:.1f} %'
        for start in (PRETRAINED, RANDOM)
    }
    loaded = (tmp_path / task / 'checkpoint' / 'console.log').read_text()
    assert 'encoder tensors' in loaded
    assert 'encoder tensors' not in (tmp_path / task / 'weights' / 'console.log').read_text()


def test_a_checkpoint_that_does_not_fit(data, tmp_path):
    task = small_task('classification', data)
    torch.save({'state_dict': {'backbone.cls_token': torch.ones(1, 1, 7)}}, tmp_path / 'a.pth')
    with pytest.raises(SystemExit, match='error: .*does not fit the encoder'):
        run_transfer([task], str(tmp_path / 'a.pth'), str(tmp_path / 'run'))
