"""A training step does not wait for the device."""

import contextlib

import pytest
import torch
from mmengine.registry import RUNNERS
from mmengine.runner import IterBasedTrainLoop
from mmpretrain.registry import DATASETS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import default_collate

from cmae_mm.compat import within
from cmae_mm.engine import FiniteHook
from cmae_mm.engine.console import console
from cmae_mm.models import DALLETokenizer
from cmae_mm.views import ViewParameters
from tests.helpers.files import PIPELINE, write_images
from tests.helpers.runs import config
from tests.helpers.tiny import tiny_cae, tiny_model

aten = torch.ops.aten
READING = {
    aten._local_scalar_dense,
    aten.nonzero,
    aten.masked_select,
    aten.equal,
    aten.is_nonzero,
    aten._unique2,
}


class Waits(TorchDispatchMode):
    """Lists operations for whose result, or for whose end, the host would wait for a device.

    Args:
        device: that of the tensors that count.
    """

    def __init__(self, device):
        super().__init__()
        self.device, self.found = device, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        there = any(tensor.device.type == self.device for tensor in tensors)
        packet = function.overloadpacket
        masks = packet is aten.index and any(
            index is not None and index.dtype is torch.bool for index in args[1]
        )
        copies = packet in (aten._to_copy, aten.copy_) and self._waits(packet, args, kwargs)
        if (there and packet in READING) or masks or copies:
            self.found.append(str(function))
        return result

    @staticmethod
    def _waits(packet, args, kwargs):
        if packet is aten.copy_:
            there, here = args[0].device, args[1].device
            non_blocking = args[2] if len(args) > 2 else False
        else:
            there, here = kwargs.get('device', args[0].device), args[0].device
            non_blocking = kwargs.get('non_blocking', False)
        return torch.device(there or here) != here and not non_blocking


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / 'images', num=16)
    return tmp_path


def test_from_master_images_to_the_target_nothing_waits(folder, monkeypatch):
    # Tensors on 'meta' have no values: whatever reads one raises an error. The views'
    # parameters stay on the CPU, where reading them is free.
    autocast = torch.autocast
    monkeypatch.setattr(
        torch,
        'autocast',
        lambda device, **kwargs: (
            contextlib.nullcontext() if device == 'meta' else autocast(device, **kwargs)
        ),
    )
    data = DATASETS.build(
        dict(type='PretrainDataset', data_root=str(folder / 'images'), pipeline=PIPELINE)
    )
    batch = default_collate([data[index] for index in range(16)])
    view = ViewParameters.unpack(batch['inputs']['target'])
    assert all(value.any() for value in (view.gray, view.blur, view.jitter[:, 3]))
    model = tiny_model().to('meta')
    with Waits('meta') as waits:
        inputs = model.data_preprocessor(batch, True)
        losses = model.loss(**inputs)
        model.parse_losses(losses)[0].backward()
        model.update_target(0.9)
    assert waits.found == []
    with pytest.raises(RuntimeError):
        losses['loss_ct'].item()


@pytest.mark.parametrize('tokens', [False, True])
def test_from_masks_to_the_alignment_nothing_waits(folder, tokens, monkeypatch):
    autocast = torch.autocast
    monkeypatch.setattr(
        torch,
        'autocast',
        lambda device, **kwargs: (
            contextlib.nullcontext() if device == 'meta' else autocast(device, **kwargs)
        ),
    )
    pipeline = [
        dict(type='LoadImage'),
        dict(type='MasterCrop', scale=(16, 24)),
        dict(type='PixelShift', crop_size=(16, 24), max_shift=0),
        dict(type='BlockMask', input_size=(4, 6), num_masking_patches=12, min_num_patches=2),
        dict(type='PackViews', views=('online',), where='device'),
    ]
    data = DATASETS.build(
        dict(type='PretrainDataset', data_root=str(folder / 'images'), pipeline=pipeline)
    )
    batch = default_collate([data[index] for index in range(4)])
    preprocessor = dict(type='CAEDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)
    targets = dict()
    if tokens:
        preprocessor.update(target_size=(32, 48))
        tokenizer = DALLETokenizer(n_hid=4, vocab_size=8)
        targets = dict(head=dict(type='TokenHead'), target_generator=tokenizer)
        monkeypatch.setattr(tokenizer, 'init_weights', lambda: None)
    model = tiny_cae(data_preprocessor=preprocessor, **targets).to('meta')
    with Waits('meta') as waits:
        inputs = model.data_preprocessor(batch, True)
        losses = model.loss(**inputs)
        model.parse_losses(losses)[0].backward()
    assert waits.found == []
    with pytest.raises(RuntimeError):
        losses['loss_main'].item()


def measured_run(folder, monkeypatch, guard, precision='float32'):
    """Train for 9 steps, each within ``guard(step)``; the log has a line every 3 steps."""
    cfg = config(folder, 'run', dict(by_epoch=False, max_iters=9), precision=precision)
    cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=1e-2, fused=True)
    cfg.optim_wrapper.clip_grad = dict(max_norm=1.0)
    cfg.default_hooks.checkpoint.interval = 100
    cfg.default_hooks.logger.interval = 3
    cfg.default_hooks.progress = dict(type='ProgressHook')
    cfg.custom_hooks.append(dict(type='ContrastDiagnosisHook', interval=100))
    run_iter = IterBasedTrainLoop.run_iter

    def guarded(loop, batch):
        for hook in loop.runner.hooks:
            if isinstance(hook, FiniteHook):
                hook.interval = 100  # as on a GPU
        with guard(loop.runner.iter + 1):
            run_iter(loop, batch)

    monkeypatch.setattr(IterBasedTrainLoop, 'run_iter', guarded)
    runner = RUNNERS.build(cfg)
    runner.train()
    return runner


@pytest.mark.skipif(within(torch.__version__, '<2.4'), reason='no fused AdamW on CPUs')
@pytest.mark.parametrize('verbose', [True, False])
def test_a_step_of_the_runner_reads_nothing_unless_it_logs(folder, monkeypatch, capsys, verbose):
    # the views are made in the data loader, so that no tensor of the step is one of the host's
    pipeline = [*PIPELINE[:-1], dict(type='PackViews', where='worker')]
    monkeypatch.setattr('tests.helpers.runs.PIPELINE', pipeline)
    waits = {}

    def guard(step):
        waits[step] = Waits('cpu')
        return waits[step]

    with console(verbose):
        runner = measured_run(folder, monkeypatch, guard)
    assert ('3/9  ' in capsys.readouterr().out) != verbose
    quiet = {step for step in waits if not waits[step].found}
    assert quiet == {2, 4, 5, 7, 8}
    for name in ('loss', 'loss_rc', 'loss_ct', 'grad_norm'):
        assert len(runner.message_hub.get_scalar(f'train/{name}').data[0]) == 9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('precision', ['float32', 'float16', 'bfloat16'])
def test_a_step_on_a_gpu_does_not_wait_for_it(folder, monkeypatch, precision):
    @contextlib.contextmanager
    def guard(step):
        logs = step % 3 == 0 or step == 1
        torch.cuda.set_sync_debug_mode('default' if logs else 'error')
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode('default')

    measured_run(folder, monkeypatch, guard, precision)
