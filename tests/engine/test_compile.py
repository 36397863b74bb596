"""torch.compile by mmengine's key."""

import json

import pytest
import torch
from mmengine.registry import RUNNERS
from torch import nn

from cmae_mm.compat import within
from cmae_mm.engine.compilation import compile_layers
from tests.helpers.files import write_images
from tests.helpers.runs import EPOCHS, config, differences, state
from tests.helpers.tiny import tiny_model, two_views

pytestmark = pytest.mark.skipif(
    within(torch.__version__, '<2.6'),
    reason="torch 2.1 ends a graph at mmengine's wrapper of each feed-forward network",
)


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize('bfloat16, micro_batch', [(False, None), (True, 2)])
def test_the_losses_are_one_graph(bfloat16, micro_batch):
    model = tiny_model(backbone__drop_path_rate=0.5, micro_batch=micro_batch)
    with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
        found = torch._dynamo.explain(model.loss)(two_views())
    assert found.graph_count == 1, found.break_reasons


def test_layers_are_compiled_one_graph_per_shape(tmp_path, monkeypatch):
    compile_layer = nn.Module.compile
    monkeypatch.setattr(
        nn.Module,
        'compile',
        lambda layer, **options: compile_layer(layer, backend='eager', fullgraph=True, **options),
    )
    write_images(tmp_path / 'images', num=7)
    for name in ('eager', 'layers'):
        cfg = config(tmp_path, name, EPOCHS)
        cfg.model.backbone.drop_path_rate = 0.0  # a rate of its own makes a graph of its own
        cfg.compile = name if name == 'layers' else False
        RUNNERS.build(cfg).train()
    # of the visible patches, of all with gradients and without, of a decoder's last layer
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 4
    assert differences(*(state(tmp_path / n / 'iter_9.pth') for n in ('eager', 'layers'))) == []


def test_no_layers_to_compile():
    with pytest.raises(ValueError, match="compile='layers'.*Linear has none: use compile=True"):
        compile_layers(nn.Linear(2, 2))


def test_many_shapes_stay_compiled():
    compile_layers(tiny_model())
    assert torch._dynamo.config.cache_size_limit >= 64


def test_a_compiled_run_is_the_same_run_and_is_diagnosed(tmp_path):
    write_images(tmp_path / 'images', num=7)
    for name in ('eager', 'compiled'):
        cfg = config(tmp_path, name, EPOCHS)
        cfg.custom_hooks.append(dict(type='ContrastDiagnosisHook', interval=4))
        if name == 'compiled':
            cfg.compile = dict(backend='eager', fullgraph=True)
        RUNNERS.build(cfg).train()
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 1
    assert differences(*(state(tmp_path / n / 'iter_9.pth') for n in ('eager', 'compiled'))) == []
    (log,) = (tmp_path / 'compiled').rglob('scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum('contrast/gradient_rc' in line for line in lines) == 2
