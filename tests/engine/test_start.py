from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook

from cmae_mm.engine.start import LoadWeightsHook, choose_start, load_weights
from tests.helpers.tiny import tiny_model


def test_what_was_loaded_is_said_by_parts():
    source, model = tiny_model(), tiny_model()
    for parameter in source.parameters():
        parameter.data.add_(1.0)
    encoder = {n: t for n, t in source.state_dict().items() if n.startswith('backbone.')}
    report = load_weights(model, {**encoder, 'neck.a': torch.ones(1)})
    num = len(encoder)
    assert report.startswith(f'backbone {num}/{num}, ')
    # the target follows the encoder that came
    assert f'target_backbone {num}/{num}, ' in report
    assert 'pixel_decoder 0/' in report
    assert ', projector 0/' in report and ', head 0/' in report
    assert report.endswith(' tensors loaded, not used: neck (1)')
    assert model.backbone.ln1.weight.equal(source.backbone.ln1.weight)
    assert model.target_backbone.ln1.weight.equal(source.backbone.ln1.weight)


def test_the_average_of_the_weights_starts_from_what_was_loaded(tmp_path):
    source, model = tiny_model(), tiny_model()
    source.head.predictor.fc1.weight.data.add_(1.0)
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'a.pth')
    average = EMAHook()
    hooks = [LoadWeightsHook(str(tmp_path / 'a.pth')), average]

    def call_hook(name, **kwargs):
        for hook in hooks:
            getattr(hook, name)(runner, **kwargs)

    runner = SimpleNamespace(model=model, call_hook=call_hook, _resume=False)
    average.before_run(runner)
    hooks[0].before_train(runner)
    for found in (model, average.ema_model.module):
        assert found.head.predictor.fc1.weight.equal(source.head.predictor.fc1.weight)


def test_a_resumed_run_has_its_own_weights():
    hook = LoadWeightsHook('no such file')
    hook.before_train(SimpleNamespace(_resume=True))


@pytest.mark.parametrize(
    'resumes, named, by_hook, load_from, resume',
    [
        (True, None, False, 'a.pth', True),
        (False, None, True, None, False),
        (False, 'auto', True, None, True),  # of a run that has no checkpoint yet
        (True, 'auto', False, None, True),
        (False, 'b.pth', False, 'b.pth', True),
    ],
)
def test_only_weights_are_loaded_by_the_hook(resumes, named, by_hook, load_from, resume):
    cfg = Config(dict(load_from='a.pth', resume=resumes, custom_hooks=[dict(type='A')]))
    choose_start(cfg, named)
    hook = dict(type='mmpretrain.LoadWeightsHook', checkpoint='a.pth')
    assert cfg.custom_hooks == [dict(type='A')] + [hook] * by_hook
    assert (cfg.load_from, cfg.resume) == (load_from, resume)
