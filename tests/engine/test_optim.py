import contextlib
import sys
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.models.utils import MultiheadAttention
from torch import nn

from cmae_mm.engine import precision
from cmae_mm.engine.optim_constructors import merge_groups, prefer_fused
from cmae_mm.engine.precision import (
    PrecisionOptimWrapper,
    choose_precision,
    cpu_has_bfloat16,
)
from tests.helpers.process import fork_ranks
from tests.helpers.tiny import tiny_model, two_views

PARAMWISE = dict(
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    custom_keys=dict(cls_token=dict(decay_mult=0.0), mask_token=dict(decay_mult=0.0)),
)


def wrapper(model, **overrides):
    return build_optim_wrapper(
        model,
        dict(
            type='PrecisionOptimWrapper',
            constructor='PretrainOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            paramwise_cfg=PARAMWISE,
            **overrides,
        ),
    )


def test_weight_decay_spares_norms_biases_and_tokens():
    model = tiny_model()
    decay = {
        id(parameter): group['weight_decay']
        for group in wrapper(model).optimizer.param_groups
        for parameter in group['params']
    }
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert id(parameter) not in decay, name
        elif parameter.ndim == 1 or name.endswith('token'):
            assert decay[id(parameter)] == 0, name
        else:
            assert decay[id(parameter)] == 0.05, name


def test_parameters_of_equal_settings_share_a_group():
    groups = wrapper(tiny_model()).optimizer.param_groups
    settings = [{k: v for k, v in group.items() if k != 'params'} for group in groups]
    assert all(settings.count(one) == 1 for one in settings)
    assert len(groups) <= 3


def test_what_is_frozen_is_in_no_group():
    layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    layers[0].requires_grad_(False)
    groups = [dict(params=[parameter], lr=1.0) for parameter in layers.parameters()]
    (group,) = merge_groups(groups)
    assert [id(p) for p in group['params']] == [id(p) for p in layers[1].parameters()]


def test_adam_is_fused_where_torch_can(monkeypatch):
    def fused(**fields):
        return prefer_fused(dict(optimizer=dict(fields)))['optimizer'].get('fused')

    monkeypatch.setattr(torch, '__version__', '2.3.1')
    assert fused(type='AdamW') is None
    monkeypatch.setattr(torch, '__version__', '2.4.0')
    assert fused(type='AdamW')
    monkeypatch.setattr(torch, '__version__', '2.3.1')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert fused(type='AdamW') and fused(type='Adam')
    assert fused(type='AdamW', fused=False) is False and fused(type='SGD') is None


def test_the_target_has_no_optimiser_state():
    model = tiny_model()
    optim_wrapper = wrapper(model)
    with optim_wrapper.optim_context(model):
        loss = sum(model.loss(two_views()).values())
    optim_wrapper.update_params(loss)
    state = {id(parameter) for parameter in optim_wrapper.optimizer.state}
    assert state == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.skipif(torch.cuda.is_available(), reason='float16 is what a GPU gets')
@pytest.mark.parametrize(
    'dtype, has_bfloat16, expected',
    [
        ('float16', True, torch.bfloat16),
        ('float16', False, torch.float32),
        ('bfloat16', True, torch.bfloat16),
        ('bfloat16', False, torch.bfloat16),  # as asked for
    ],
)
def test_mixed_precision_on_a_cpu_is_what_its_processor_does_fast(
    dtype, has_bfloat16, expected, monkeypatch
):
    said = []
    monkeypatch.setattr(precision, 'cpu_has_bfloat16', lambda: has_bfloat16)
    monkeypatch.setattr(precision, 'print_log', lambda text, *_: said.append(text))
    model = nn.Linear(4, 4)
    optim_wrapper = wrapper(model, dtype=dtype)
    (line,) = [text for text in said if 'precision' in text]
    assert line.startswith(f'precision: {str(expected).removeprefix("torch.")}')
    assert ('instead of float16' in line) == (dtype == 'float16')
    assert ('emulates' in line or 'no bfloat16 instructions' in line) == (not has_bfloat16)
    with optim_wrapper.optim_context(model):
        assert model(torch.randn(2, 4)).dtype == expected
    before = model.weight.detach().clone()
    optim_wrapper.update_params(model(torch.randn(2, 4)).square().sum())
    assert not model.weight.equal(before)


def test_float32_does_not_cast():
    model = nn.Linear(4, 4)
    with wrapper(model, dtype='float32').optim_context(model):
        assert model(torch.randn(2, 4)).dtype == torch.float32


@pytest.mark.parametrize(
    'flags, expected',
    [
        ('flags : fpu avx2 avx512f avx512_bf16', True),
        ('flags : fpu amx_bf16', True),
        ('Features : fp asimd bf16 i8mm', True),
        ('flags : fpu avx2 f16c', False),
        ('flags : fpu avx512f avx512dq', False),
    ],
)
def test_bfloat16_instructions_are_read_of_the_processor(flags, expected, monkeypatch):
    text = f'processor : 0\nmodel name : x\n{flags}\n'
    monkeypatch.setattr(Path, 'read_text', lambda path: text)
    assert cpu_has_bfloat16() == expected


def test_a_gpu_gets_what_the_config_says():
    for dtype in ('float32', 'float16', 'bfloat16'):
        assert choose_precision(dtype, gpu=True, bfloat16=False) == (dtype, '')


@pytest.fixture
def scaling(monkeypatch):
    """A loss scaler that is enabled although there is no GPU."""
    monkeypatch.setattr('torch.cuda.amp.common.amp_definitely_not_available', lambda: False)
    for module in (
        sys.modules.get('torch.amp.grad_scaler'),
        sys.modules['torch.cuda.amp.grad_scaler'],
    ):
        if hasattr(module, 'amp_definitely_not_available'):
            monkeypatch.setattr(module, 'amp_definitely_not_available', lambda: False)
    return precision.GradScaler(init_scale=64.0)


def test_a_float16_run_resumes_one_of_any_precision(scaling):
    model = nn.Linear(4, 4)
    source, resumed = wrapper(model, dtype='float32'), wrapper(model, dtype='float32')
    source.update_params(model(torch.randn(2, 4)).square().sum())
    resumed.loss_scaler = scaling
    assert scaling.is_enabled()
    resumed.load_state_dict(source.state_dict())
    assert scaling.get_scale() == 64  # a new scale
    moments = [state['exp_avg'] for state in resumed.optimizer.state.values()]
    assert len(moments) == 2 and all(moment.abs().sum() > 0 for moment in moments)
    # and its own, whose scale goes on
    state = resumed.state_dict()
    scaling.load_state_dict({**state['loss_scaler'], 'scale': 8.0})
    other = wrapper(model, dtype='float32')
    other.loss_scaler = precision.GradScaler(init_scale=2.0)
    other.load_state_dict(resumed.state_dict())
    assert other.loss_scaler.get_scale() == 8
    wrapper(model, dtype='float32').load_state_dict(resumed.state_dict())  # and the other way


def test_gradients_of_accumulated_steps_are_not_averaged_across_ranks():
    class Wrapped(nn.Linear):
        waits = 0

        @contextlib.contextmanager
        def no_sync(self):
            self.waits += 1
            yield

    model = Wrapped(4, 4)
    optim_wrapper = wrapper(model, dtype='float32', accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 0, 4)
    for expected in (1, 1, 2, 2):
        with optim_wrapper.optim_context(model):
            loss = model(torch.randn(2, 4)).square().sum()
        optim_wrapper.update_params(loss)
        assert model.waits == expected


def test_unknown_precision_is_an_error():
    with pytest.raises(ValueError, match="dtype='int8'"):
        wrapper(nn.Linear(2, 2), dtype='int8')


def many_backward_passes(rank):
    model = MultiheadAttention(768, 12)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    precision = PrecisionOptimWrapper(dtype='bfloat16', optimizer=optimizer)
    for _ in range(20):
        with precision.optim_context(model):
            loss = model(torch.randn(2, 17, 768)).float().square().mean()
        precision.update_params(loss)


def test_attention_in_bfloat16_leaves_memory_in_order():
    # a process of its own: torch 2.1's fused attention may end it
    fork_ranks(many_backward_passes, 1)
