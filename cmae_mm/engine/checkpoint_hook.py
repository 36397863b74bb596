"""Checkpoints in an order in which a whole one exists at every moment."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from cmae_mm.checkpoints import remove_temporaries

from .batch import completes_step
from .resume import INTERRUPTED, point_at


class _PatientBackend(LocalBackend):
    """The local file system, on which files that are removed stay for a while."""

    def __init__(self) -> None:
        self.doomed: set[Path] = set()

    def remove(self, filepath: str | Path) -> None:
        self.doomed.add(Path(filepath))


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's hook, safe to be killed at any moment.

    The host removes the oldest checkpoint before it writes the new one. Here the new one is
    complete and on the disk first, then ``last_checkpoint`` names it, then old ones go. Needs
    :class:`~cmae_mm.engine.runner.SafeRunner`, which writes the files. Folders that are not on
    a local disk are left to the host.

    Args:
        max_stall: seconds for which training waits until a checkpoint is on the disk; a longer
            write goes on beside it. What is lost when the process is killed is then at most one
            interval, and the rest of such a write.
        **kwargs: of mmengine's CheckpointHook.
    """

    # what FeatureProbeHook measures, too, is the better the greater it is
    _default_greater_keys = (*CheckpointHook._default_greater_keys, 'probe/')

    def __init__(self, *args, max_stall: float = 0.5, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.max_stall = max_stall

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self.is_local = isinstance(self.file_backend, LocalBackend)
        self.is_prepared = False
        if self.is_local:
            self.file_backend = _PatientBackend()
            self._keep_to_this_folder()
            if is_main_process():
                Path(self.out_dir).mkdir(parents=True, exist_ok=True)
                remove_temporaries(Path(self.out_dir))
                self._finish_removing(runner)

    def _keep_to_this_folder(self) -> None:
        """Name the best checkpoints of a work folder that was copied or moved by their new place.

        A better one replaces them; those of the folder before are not this run's to remove.
        """
        if getattr(self, 'best_ckpt_path', None):
            self.best_ckpt_path = str(Path(self.out_dir, Path(self.best_ckpt_path).name))
        for key, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            if path:
                self.best_ckpt_path_dict[key] = str(Path(self.out_dir, Path(path).name))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        runner.writer.check()
        if self.is_local and not self.is_prepared and completes_step(runner.optim_wrapper):
            runner.prepare_checkpoints(self.save_optimizer)  # the optimiser has its tensors now
            self.is_prepared = True
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        if not self.is_local:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        self._forget_oldest(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir, filename))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        doomed = [path.name for path in self.file_backend.doomed]
        runner.message_hub.update_info('doomed_ckpts', doomed)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if is_main_process():
            runner.writer.submit(point_at, runner.work_dir, self.last_ckpt)
            self._remove_doomed(runner)
            runner.writer.settle(self.max_stall)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        if self.is_local and is_main_process():
            self._remove_doomed(runner)

    def after_train(self, runner: Runner) -> None:
        runner.writer.wait()
        if is_main_process():
            Path(runner.work_dir, INTERRUPTED).unlink(missing_ok=True)
        super().after_train(runner)

    def _forget_oldest(self, runner: Runner, step: int) -> None:
        """Keep the numbers of the newest ``max_keep_ckpts`` checkpoints, this one included."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            oldest = self.keep_ckpt_ids.popleft()
            self.file_backend.remove(Path(self.out_dir, self.filename_tmpl.format(oldest)))
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _finish_removing(self, runner: Runner) -> None:
        """Remove what a run that was killed had no time to, once its successor is resumed."""
        names = runner.message_hub.runtime_info.get('doomed_ckpts', [])
        _remove({Path(self.out_dir, Path(name).name) for name in names if name.endswith('.pth')})

    def _remove_doomed(self, runner: Runner) -> None:
        """Remove old files once everything that was submitted before is written."""
        best = [getattr(self, 'best_ckpt_path', None)]
        best += getattr(self, 'best_ckpt_path_dict', {}).values()
        keep = {Path(path) for path in (self.last_ckpt, *best) if path}
        runner.writer.submit(_remove, self.file_backend.doomed - keep)
        self.file_backend.doomed = set()


def _remove(paths: set[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
