import json
import logging
import random
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import RUNNERS
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cmae_mm.engine import ContrastDiagnosisHook, CPUDistributedDataParallel
from cmae_mm.engine.ranks import run_ranks
from cmae_mm.models import InfoNCELoss
from cmae_mm.models.losses import (
    alignment,
    effective_rank,
    retrieval_accuracy,
    standard_deviation,
    uniformity,
)
from tests.helpers.files import PIPELINE, write_images
from tests.helpers.tiny import tiny_config, tiny_model, two_views

NAMES = {
    'alignment',
    'retrieval',
    'uniformity_prediction',
    'uniformity_target',
    'rank_prediction',
    'rank_target',
    'std_prediction',
    'std_target',
    'gradient_rc',
    'gradient_ct',
}


class Toy(BaseModel):
    """The parts of a CMAE, a linear layer each."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(6, 5)
        self.pixel_decoder = nn.Linear(5, 6)
        self.feature_decoder = nn.Linear(5, 4)
        self.head = nn.ModuleDict(dict(contrastive=InfoNCELoss(loss_weight=3.0)))

    def forward(self, inputs, mode='loss'):
        self.tokens = self.backbone(inputs)
        loss_rc = (self.pixel_decoder(self.tokens) - inputs).square().mean()
        self.prediction, self.target = self.feature_decoder(self.tokens), inputs[:, :4]
        loss_ct = self.head.contrastive(self.prediction, self.target)
        return dict(loss_rc=loss_rc, loss_ct=loss_ct)


def images(num=8):
    return torch.randn(num, 6, generator=torch.Generator().manual_seed(1))


def runner_of(model, iteration=0):
    """What the hook uses of a Runner."""
    return SimpleNamespace(
        model=model,
        iter=iteration,
        logger=logging.getLogger('quiet'),
        message_hub=Mock(),
        visualizer=Mock(),
    )


def step(hook, runner, inputs, factor=1.0):
    """A training step without an optimiser; returns what the hook reports."""
    hook.before_train_iter(runner, 0)
    losses = runner.model(inputs, mode='loss')
    (sum(losses.values()) * factor).backward()
    hook.after_train_iter(runner, 0)
    called = runner.message_hub.update_scalars.call_args
    return {name.removeprefix('contrast/'): value for name, value in called.args[0].items()}


def diagnose(model, inputs, factor=1.0):
    runner, hook = runner_of(model), ContrastDiagnosisHook(interval=1)
    hook.before_train(runner)
    return step(hook, runner, inputs, factor)


def test_values_are_those_of_prediction_and_target():
    model = Toy()
    values = diagnose(model, images())
    p, z = model.prediction, model.target
    expected = dict(alignment=alignment(p, z), retrieval=retrieval_accuracy(p, z))
    for name, vectors in (('prediction', p), ('target', z)):
        expected[f'uniformity_{name}'] = uniformity(vectors)
        expected[f'rank_{name}'] = effective_rank(vectors)
        expected[f'std_{name}'] = standard_deviation(vectors)
    assert values.keys() == NAMES
    for name, value in expected.items():
        assert values[name] == pytest.approx(value.item()), name


@pytest.mark.parametrize('factor', [1.0, 2.0**16 / 3], ids=['float32', 'scaled and accumulated'])
def test_gradient_norms_are_those_of_each_loss_with_respect_to_the_tokens(factor):
    model = Toy()
    losses = model(images())
    expected = {
        name: torch.autograd.grad(loss, model.tokens, retain_graph=True)[0].norm().item()
        for name, loss in losses.items()
    }
    values = diagnose(model, images(), factor)
    assert values['gradient_rc'] == pytest.approx(expected['loss_rc'], rel=1e-5)
    assert values['gradient_ct'] == pytest.approx(expected['loss_ct'], rel=1e-5)


def test_micro_batches_report_the_whole_batch():
    def values(**fields):
        model = tiny_model(**fields)
        torch.manual_seed(5)
        return diagnose(model, two_views(num_images=8))

    whole = values()
    assert values(micro_batch=3) == {
        name: pytest.approx(value, rel=1e-3) for name, value in whole.items()
    }


def _diagnose_rank(rank):
    model = Toy()
    half = images()[4 * rank : 4 * rank + 4]
    return diagnose(CPUDistributedDataParallel(model), half)


def test_two_ranks_report_the_joined_batch():
    joined = diagnose(Toy(), images())
    for values in run_ranks(_diagnose_rank, world=2):
        assert values == {name: pytest.approx(value, rel=1e-4) for name, value in joined.items()}


class Operations(TorchDispatchMode):
    """Lists the operations that torch runs, the backward pass included."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_other_steps_run_no_operation_more():
    model = Toy()
    hook = ContrastDiagnosisHook(interval=2)
    hook.before_train(runner_of(model))
    runs = []
    for iteration in (None, 0, 1, 2):  # without the hook, and with it: step 2 is diagnosed
        with Operations() as run:
            if iteration is not None:
                hook.before_train_iter(runner_of(model, iteration), 0)
            sum(model(images()).values()).backward()
            if iteration is not None:
                hook.after_train_iter(runner_of(model, iteration), 0)
        runs.append(run.names)
        model.zero_grad()
    assert runs[1] == runs[3] == runs[0]
    assert len(runs[2]) > len(runs[0])


def test_a_model_without_a_contrastive_loss_is_an_error():
    model = Toy()
    del model.head['contrastive']
    with pytest.raises(ValueError, match='Toy has no head.contrastive: remove the hook'):
        ContrastDiagnosisHook().before_train(runner_of(model))


def test_an_interval_of_no_steps_is_an_error():
    with pytest.raises(ValueError, match='interval=0'):
        ContrastDiagnosisHook(interval=0)


def train(folder, work_dir, hooks, loss='InfoNCELoss', precision='float32'):
    """Four steps of a tiny CMAE through the real Runner."""
    if not (folder / 'images').exists():
        write_images(folder / 'images', num=16)
    runner = RUNNERS.build(
        Config(
            dict(
                default_scope='mmpretrain',
                model=tiny_config(head__contrastive=dict(type=loss)),
                work_dir=str(folder / work_dir),
                train_dataloader=dict(
                    batch_size=4,
                    num_workers=0,
                    sampler=dict(type='SeededSampler', shuffle=True),
                    collate_fn=dict(type='default_collate'),
                    dataset=dict(
                        type='PretrainDataset', data_root=str(folder / 'images'), pipeline=PIPELINE
                    ),
                ),
                train_cfg=dict(by_epoch=True, max_epochs=1),
                optim_wrapper=dict(
                    type='PrecisionOptimWrapper',
                    dtype=precision,
                    optimizer=dict(type='AdamW', lr=1e-2),
                ),
                custom_hooks=[dict(type='MomentumUpdateHook', momentum=0.9), *hooks],
                default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=None),
                randomness=dict(seed=0),
                experiment_name=work_dir,
                log_level='ERROR',
            )
        )
    )
    runner.train()
    return runner


def random_states():
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()]


@pytest.mark.parametrize(
    'loss, precision',
    [('InfoNCELoss', 'float32'), ('BYOLLoss', 'float32'), ('InfoNCELoss', 'bfloat16')],
)
def test_training_is_bit_for_bit_the_same(tmp_path, loss, precision):
    left, states = [], []
    for hooks in ([], [dict(type='ContrastDiagnosisHook', interval=1)]):
        runner = train(tmp_path, f'with{len(hooks)}{loss}{precision}', hooks, loss, precision)
        left.append(runner.model.state_dict())
        states.append(random_states())
    assert 'contrast/alignment' in runner.message_hub.log_scalars
    for name, tensor in left[0].items():
        assert tensor.equal(left[1][name]), name
    assert states[0] == states[1]


def test_log_has_each_diagnosis_once_at_its_step(tmp_path):
    runner = train(tmp_path, 'log', [dict(type='ContrastDiagnosisHook', interval=2)])
    (log,) = tmp_path.rglob('scalars.json')
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    found = [entry for entry in entries if any(name.startswith('contrast') for name in entry)]
    assert [entry.pop('step') for entry in found] == [2, 4]
    history = runner.message_hub.log_scalars
    for index, entry in enumerate(found):
        assert entry.keys() == {f'contrast/{name}' for name in NAMES}
        for name, value in entry.items():
            assert history[name].data[0][index] == value
            assert np.isfinite(value)
