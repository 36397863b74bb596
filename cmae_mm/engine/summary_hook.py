"""What is run and what came of it, in a few lines on the console."""

import os
import sys
from pathlib import Path

import torch
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import nn

from cmae_mm.checkpoints import unwrap

from .batch import batch_of
from .console import say

PROBE = 'probe/'  # in the names of what a probe logs


@HOOKS.register_module()
class SummaryHook(Hook):
    """Print what is run and where it goes, and metrics as they come.

    Metrics are those of validation and test, and all logged values whose names hold ``probe/``.
    """

    priority = 'LOWEST'  # after all hooks that log

    def before_train(self, runner: Runner) -> None:
        """Print the run's summary, which the log file gets, too."""
        self.seen = {name: len(history) for name, history in _probes(runner).items()}
        for line in summary_of_training(runner):
            runner.logger.info(line)

    def before_test(self, runner: Runner) -> None:
        runner.logger.info(_line('model', describe_model(runner.model)))
        runner.logger.info(_line('images', _images(runner.test_dataloader)))
        runner.logger.info(_line('log', log_file(runner)))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        self._tell_probes(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._tell_probes(runner)

    def after_train(self, runner: Runner) -> None:
        self._tell_probes(runner)

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        _tell(f'validation, {_position(runner, runner.epoch)}', metrics or {})

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        _tell('test', metrics or {})

    @master_only
    def _tell_probes(self, runner: Runner) -> None:
        probes = _probes(runner)
        new = {
            name.partition(PROBE)[2]: history[-1]
            for name, history in probes.items()
            if len(history) > self.seen.get(name, 0)
        }
        if new:
            epoch = min(runner.epoch + 1, runner.max_epochs)  # counted after its last hook
            seconds = new.pop('time', None)
            _tell(f'probe, {_position(runner, epoch)}', new, seconds)
            self.seen = {name: len(history) for name, history in probes.items()}


def _probes(runner: Runner) -> dict:
    """Logged values of probes by name; those of a step, on a device, are not waited for."""
    hub = runner.message_hub
    return {name: hub.get_scalar(name).data[0] for name in list(hub._log_scalars) if PROBE in name}


def _position(runner: Runner, epoch: int) -> str:
    return f'epoch {epoch}' if runner.max_epochs > 1 else f'step {runner.iter}'


def _tell(what: str, metrics: dict, seconds: float | None = None) -> None:
    values = (f'{name} {value:.4g}' for name, value in metrics.items() if _is_number(value))
    took = '' if seconds is None else f' ({seconds:.1f} s)'
    say(f'{what}: {", ".join(values)}{took}')


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) or getattr(value, 'ndim', None) == 0


def summary_of_training(runner: Runner) -> list[str]:
    """Describe a run that is about to train: a line each on model, images, steps and folder."""
    batch = batch_of(runner)
    if runner.max_epochs > 1:
        length = f'{runner.max_epochs} epochs of {len(runner.train_dataloader)} steps'
    else:
        length = f'{runner.max_iters} steps'
    images = f'{batch.per_rank} images per step' if batch.ranks == batch.accumulated == 1 else batch
    dtype = getattr(runner.optim_wrapper, 'cast_dtype', None) or torch.float32
    folder = f'{runner.work_dir}, log {os.path.relpath(log_file(runner), runner.work_dir)}'
    return [
        _line('model', describe_model(runner.model)),
        _line('images', _images(runner.train_dataloader)),
        _line('steps', f'{length}, {images}, {str(dtype).removeprefix("torch.")}, {_device()}'),
        _line('folder', folder),
    ]


def describe_model(model: nn.Module) -> str:
    """Name a model and its encoder, and say how large they are."""
    model = unwrap(model)
    text = f'{type(model).__name__} {_millions(model)} M parameters'
    encoder = getattr(model, 'backbone', None)
    if encoder is None:
        return text
    text += f', encoder {type(encoder).__name__} {_millions(encoder)} M'
    layers, width = getattr(encoder, 'layers', None), getattr(encoder, 'embed_dims', None)
    if isinstance(layers, nn.ModuleList) and width:
        text += f': {len(layers)} blocks of width {width}'
    return text


def _millions(module: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    return f'{count / 1e6:.3g}'


def _images(loader) -> str:
    dataset = loader.dataset
    folder = getattr(dataset, 'img_prefix', None) or getattr(dataset, 'data_root', None)
    return f'{len(dataset):,}' + (f' in {folder}' if folder else '')


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f'{threads} CPU thread{"s" if threads > 1 else ""}'


def log_file(runner: Runner) -> str:
    """Path of the file that has everything."""
    return str(Path(runner.log_dir, f'{runner.timestamp}.log'))


def _line(name: str, text: str) -> str:
    return f'{name:8}{text}'


def say_where_results_are(runner: Runner) -> None:
    """Print, after training, where checkpoint and log are and what to do with them."""
    if not is_main_process():
        return
    checkpoint = runner.message_hub.runtime_info.get('last_ckpt')
    if checkpoint:
        say(_line('saved', checkpoint))
    say(_line('log', log_file(runner)))
    if checkpoint and (command := next_command(runner, checkpoint)):
        say(_line('next', command))


def next_command(runner: Runner, checkpoint: str) -> str:
    """Return the command that evaluates a checkpoint, or an empty string.

    It names the tool beside the one that runs, wherever the tools are installed.
    """
    tools, config = Path(os.path.relpath(sys.argv[0])).parent, runner.cfg.filename
    if isinstance(unwrap(runner.model), BaseSelfSupervisor):
        folders = '' if runner.cfg.get('feature_eval') else ' --train DIR --test DIR'
        return f'python {tools}/evaluate_features.py {config} {checkpoint}{folders}'
    if runner.cfg.get('test_dataloader'):
        return f'python {tools}/test.py {config} {checkpoint}'
    return ''
