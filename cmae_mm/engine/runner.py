"""A Runner whose runs survive."""

import copy
import functools
import time
from pathlib import Path

import mmengine
from mmengine.dist import get_world_size, is_main_process, master_only
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import MMLogger, print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from cmae_mm.checkpoints import unwrap
from cmae_mm.cpu import keep_freed_memory, use_fastest_layers

from .activation_checkpointing import checkpoint_activations
from .agreement import PEER_TIMEOUT, on_main_process
from .batch import (
    Batch,
    FreshSchedule,
    Position,
    batch_of,
    convert_position,
    require_same_step,
)
from .checkpoint_writer import CheckpointWriter, write_checkpoint
from .compilation import compile_layers
from .console import attach, is_brief
from .finite_hook import FiniteHook
from .loading import choose_reader
from .loops import ResumableLoop
from .message_hub import PatientMessageHub
from .progress import ProgressHook
from .resume import INTERRUPTED, find_start, point_at
from .seeding import base_seed
from .skipped_images_hook import SkippedImagesHook
from .snapshot import Snapshots, sizes_of
from .stop_hook import StopHook, outlive_signals
from .summary_hook import SummaryHook

_HOOKS_OF_THE_HOST = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)
_LOOPS = {
    'EpochBasedTrainLoop': 'ResumableEpochBasedTrainLoop',
    'IterBasedTrainLoop': 'ResumableIterBasedTrainLoop',
}


@RUNNERS.register_module()
class SafeRunner(Runner):
    """mmengine's Runner, with checkpoints that survive and a resume that is exact.

    Takes any config of mmengine, mmpretrain, mmsegmentation or mmdetection that says
    ``runner_type = 'SafeRunner'``: its loop, checkpoint hook, data loader and reader of files
    are replaced by those of this package. A training loop of another type is left as it is.

    Fields of the config: ``trust_checkpoints=True`` reads files as mmengine does, which executes
    the code in them; ``allow_batch_change=True`` resumes with another number of images per step;
    ``trackers``, configs by name, go on logging to the same run of a tracker after a resume.

    Args:
        *args: of mmengine's Runner.
        **kwargs: of mmengine's Runner.

    Raises:
        ValueError: to be resumed, but no whole checkpoint is there, or it is not to be trusted.
    """

    def __init__(self, *args, **kwargs) -> None:
        config = kwargs.get('cfg') or {}
        self.trusting = config.get('trust_checkpoints', False)
        choose_reader(self.trusting)
        self.writer, self.snapshots = CheckpointWriter(), Snapshots()
        self.stop_error: Exception | None = None
        self.has_trained = False
        super().__init__(*args, **kwargs)
        if self._resume:
            self._choose_start()

    def _choose_start(self) -> None:
        """Find out what to resume, and take its seed before anything is drawn from it."""
        start = on_main_process(lambda: find_start(self._load_from, self.work_dir, self.trusting))
        self._load_from, self._resume = start.path, start.path is not None
        if start.seed is not None and start.seed != base_seed(self):
            print_log(f"the run's seed is {start.seed}, that of its checkpoint", 'current')
            self._randomness_cfg.update(seed=start.seed)
            self.set_randomness(**self._randomness_cfg)

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model, with the fastest layers that the processor has."""
        model = super().build_model(model)
        use_fastest_layers(model)
        return model

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """Build the visualizer; the config's ``trackers`` are among its backends."""
        trackers = copy.deepcopy([*(self.cfg.get('trackers') or {}).values()])
        if trackers and not isinstance(visualizer, Visualizer):
            visualizer = dict(visualizer or {'type': 'Visualizer'})
            backends = visualizer.get('vis_backends') or [{'type': 'LocalVisBackend'}]
            visualizer['vis_backends'] = [*backends, *trackers]
        return super().build_visualizer(visualizer)

    def setup_env(self, env_cfg: dict) -> None:
        """Set up the environment; ranks wait 5 minutes for each other unless the config says."""
        dist_cfg = {'timeout': PEER_TIMEOUT, **env_cfg.get('dist_cfg', {})}
        super().setup_env({**env_cfg, 'dist_cfg': dist_cfg})
        keep_freed_memory()

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """Build the logger, whose console is a brief one within ``console()``."""
        return attach(super().build_logger(*args, **kwargs))

    def build_message_hub(self, message_hub: dict | None = None) -> PatientMessageHub:
        """Build the hub of logged values, which does not wait for the device at each step."""
        return PatientMessageHub.get_instance(
            **{'name': self.experiment_name, **(message_hub or {})}
        )

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, *args, **kwargs) -> DataLoader:
        """Build a loader, of any loop, whose workers leave signals to the run."""
        loader = Runner.build_dataloader(dataloader, *args, **kwargs)
        if loader is not dataloader:
            loader.worker_init_fn = functools.partial(outlive_signals, start=loader.worker_init_fn)
        return loader

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build a loop that can continue anywhere."""
        if isinstance(loop, dict):
            loop = dict(loop)
            if 'type' not in loop:  # the host's way to name it
                loop['type'] = f'{"Epoch" if loop.pop("by_epoch") else "Iter"}BasedTrainLoop'
            name = getattr(loop['type'], '__name__', loop['type']).removeprefix('mmengine.')
            loop['type'] = _LOOPS.get(name, loop['type'])
        return super().build_train_loop(loop)

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """Register the default hooks; None takes out a config's as it does one of the host's."""
        hooks = {
            name: hook
            for name, hook in (hooks or {}).items()
            if hook is not None or name in _HOOKS_OF_THE_HOST
        }
        super().register_default_hooks(hooks)

    def register_hook(self, hook: Hook | dict, priority=None) -> None:
        """Register a hook; the host's for checkpoints becomes ours."""
        if isinstance(hook, dict) and hook.get('type') in (CheckpointHook, 'CheckpointHook'):
            hook = {**hook, 'type': 'mmengine.SafeCheckpointHook'}
        super().register_hook(hook, priority)

    def register_hooks(self, *args, **kwargs) -> None:
        """Register the config's hooks, and those that every run has."""
        super().register_hooks(*args, **kwargs)
        kinds = [FiniteHook, SkippedImagesHook, StopHook]
        if is_brief():
            kinds += [ProgressHook, SummaryHook]
        for kind in kinds:
            if not any(isinstance(hook, kind) for hook in self.hooks):
                self.register_hook(kind())

    def train(self) -> nn.Module:
        """Train, once; ``activation_checkpointing`` of the config names modules that save memory.

        Raises:
            RuntimeError: it has trained before.
        """
        if self.has_trained:
            raise RuntimeError(
                'this Runner has trained before, and would go on from new weights: build another '
                'from the config with resume=True'
            )
        self.has_trained = True
        # taken out of the config, where the host would find it, too
        names = self.cfg.pop('activation_checkpointing', None) or []
        checkpoint_activations(unwrap(self.model), [names] if isinstance(names, str) else names)
        choose_reader(self.trusting)  # another Runner of this process may have chosen otherwise
        try:
            return super().train()
        finally:
            self.writer.settle()  # while a signal can't interrupt it
            for hook in self.hooks:
                if isinstance(hook, (FiniteHook, StopHook)):
                    hook.release()

    def _maybe_compile(self, target: str) -> None:
        """Compile what the model does with a batch, if the config has ``compile``.

        The host compiles the whole ``train_step``, which mostly consists of what can't be: the
        backward pass, the optimiser, the log. ``compile='layers'`` compiles its Transformer
        blocks one by one.
        """
        if self.cfg.get('compile') == 'layers':
            compile_layers(unwrap(self.model))
            return
        wrapped, self.model = self.model, unwrap(self.model)
        super()._maybe_compile('loss' if hasattr(self.model, 'loss') else target)
        self.model = wrapped

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """Load a checkpoint into the model; returns all of it."""
        choose_reader(self.trusting)
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if self._resume:
            self.resumed_meta = checkpoint['meta']
        return checkpoint

    def resume(self, filename: str, *args, **kwargs) -> None:
        """Continue from a checkpoint as if the run had never stopped.

        Raises:
            ValueError: it is of a run with another number of images per step, and the config has
                no ``allow_batch_change=True``.
        """
        single = not isinstance(self.optim_wrapper, OptimWrapperDict)
        fresh = FreshSchedule(self.optim_wrapper, self.param_schedulers or []) if single else None
        super().resume(filename, *args, **kwargs)
        meta = self.resumed_meta
        if not isinstance(self.train_loop, ResumableLoop):
            return
        new = batch_of(self)
        old = Batch(**meta['batch']) if 'batch' in meta else new
        require_same_step(old, new, self.cfg.get('allow_batch_change', False))
        length = None if self.train_loop.endless else len(self.train_loop.dataloader)
        within = meta.get('batch_in_epoch')
        if within is None:  # written by mmengine's own Runner
            within = meta['iter'] - meta['epoch'] * (length or 0)
        there = Position(meta['epoch'], meta['iter'], within)
        here = convert_position(there, old, new, length)
        if here.iteration != there.iteration and fresh is not None:
            fresh.replay(here)
        self.train_loop.resume_at(here)

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Save a checkpoint; on a local disk it is written while training goes on.

        What is saved is the state at the moment of the call. An error of the last write is
        raised here, or by ``writer.wait()``.

        Args:
            out_dir, filename, save_optimizer, save_param_scheduler, meta, by_epoch: of mmengine's.
            file_client_args, backend_args: of mmengine's; on other storage it does the saving.

        Raises:
            OSError: the last checkpoint can't be written.
        """
        meta = self._complete_meta(meta, by_epoch)
        if file_client_args or not isinstance(
            get_file_backend(out_dir, backend_args=backend_args), LocalBackend
        ):
            super().save_checkpoint(
                out_dir, filename, file_client_args, save_optimizer, save_param_scheduler, meta,
                by_epoch, backend_args,
            )  # fmt: skip
            return
        self.writer.wait()  # one copy in memory at most
        checkpoint = dict(
            meta=meta, **self._tensors(save_optimizer), message_hub=self.message_hub.state_dict()
        )
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = _states(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        copied = self.snapshots.take(checkpoint)
        self.writer.submit(write_checkpoint, copied, Path(out_dir, filename))

    @master_only
    def prepare_checkpoints(self, save_optimizer: bool = True) -> None:
        """Get the memory for checkpoints while training goes on, once all tensors exist."""
        self.writer.submit(self.snapshots.reserve, sizes_of(self._tensors(save_optimizer)))

    def _tensors(self, save_optimizer: bool) -> dict:
        """The parts of a checkpoint that hold tensors."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        parts = {'state_dict': model.state_dict()}
        if save_optimizer:
            parts['optimizer'] = self.optim_wrapper.state_dict()
        return parts

    def request_stop(self, error: Exception) -> None:
        """Let all ranks save where they are after this step, and end with an error.

        Args:
            error: raised on this rank.
        """
        self.stop_error = self.stop_error or error

    def save_interrupted(self) -> None:
        """Save where a run that is to end is, after a step, and wait for the file.

        Raises:
            OSError: it can't be written.
        """
        self.save_checkpoint(self.work_dir, INTERRUPTED, by_epoch=False)
        if is_main_process():
            self.writer.submit(point_at, self.work_dir, Path(self.work_dir, INTERRUPTED))
        self.writer.wait()

    @functools.cached_property
    def config_text(self) -> str:
        """The config as Python. Formatting it takes longer than copying a small model."""
        return self.cfg.pretty_text

    def _complete_meta(self, meta: dict | None, by_epoch: bool) -> dict:
        """The meta data that mmengine's Runner saves, and the position within the epoch."""
        step = (self.epoch + 1, self.iter) if by_epoch else (self.epoch, self.iter + 1)
        meta = {'epoch': step[0], 'iter': step[1], **(meta or {})}
        if isinstance(self.train_loop, ResumableLoop):
            within = meta['epoch'] == self.epoch
            meta['batch_in_epoch'] = meta['iter'] - self.train_loop.epoch_start if within else 0
            meta['batch'] = batch_of(self)._asdict()
        dataset = self.train_dataloader.dataset
        if hasattr(dataset, 'metainfo'):
            meta['dataset_meta'] = dataset.metainfo
        return dict(
            meta,
            cfg=self.config_text,
            seed=self.seed,
            experiment_name=self.experiment_name,
            time=time.strftime('%Y%m%d_%H%M%S'),
            mmengine_version=mmengine.__version__,
            world_size=get_world_size(),
        )


def _states(schedulers: dict | list) -> dict | list:
    if isinstance(schedulers, dict):
        return {name: _states(several) for name, several in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]
