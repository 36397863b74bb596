import sys

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from ..models.tiny import tiny_model, two_views
from ..tools.process import run_process

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


def test_the_target_has_no_optimiser_state():
    model = tiny_model()
    optim_wrapper = wrapper(model)
    with optim_wrapper.optim_context(model):
        loss = sum(model.loss(two_views()).values())
    optim_wrapper.update_params(loss)
    state = {id(parameter) for parameter in optim_wrapper.optimizer.state}
    assert state == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.skipif(torch.cuda.is_available(), reason='float16 is what a GPU gets')
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_mixed_precision_on_a_cpu_is_bfloat16_without_loss_scale(dtype):
    model = nn.Linear(4, 4)
    optim_wrapper = wrapper(model, dtype=dtype)
    with optim_wrapper.optim_context(model):
        assert model(torch.randn(2, 4)).dtype == torch.bfloat16
    before = model.weight.detach().clone()
    optim_wrapper.update_params(model(torch.randn(2, 4)).square().sum())
    assert not model.weight.equal(before)


def test_float32_does_not_cast():
    model = nn.Linear(4, 4)
    with wrapper(model, dtype='float32').optim_context(model):
        assert model(torch.randn(2, 4)).dtype == torch.float32


def test_unknown_precision_is_an_error():
    with pytest.raises(ValueError, match="dtype='int8'"):
        wrapper(nn.Linear(2, 2), dtype='int8')


MANY_BACKWARD_PASSES = """
import torch
from mmpretrain.models.utils import MultiheadAttention
from cmae_mm.engine.optim import PrecisionOptimWrapper

model = MultiheadAttention(768, 12)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
wrapper = PrecisionOptimWrapper(dtype='bfloat16', optimizer=optimizer)
for _ in range(20):
    with wrapper.optim_context(model):
        loss = model(torch.randn(2, 17, 768)).float().square().mean()
    wrapper.update_params(loss)
"""


def test_attention_in_bfloat16_leaves_memory_in_order():
    # a process of its own: torch 2.1's fused attention may end it
    process = run_process(sys.executable, '-c', MANY_BACKWARD_PASSES)
    assert process.returncode == 0, process.stderr[-1000:]
