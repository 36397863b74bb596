"""What a run starts from: its own latest checkpoint, or the weights of another run."""

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint
from mmpretrain.registry import HOOKS

from cmae_mm.checkpoints import load_state_dict, load_weights, require_fit


@HOOKS.register_module()
class LoadWeightsHook(Hook):
    """Load the weights of another run before training that is not resumed; log what was loaded.

    Replaces the host's ``load_from``, which unpickles the file and logs every missing name:
    here nothing in the file is executed, and the log gets one line.

    Args:
        checkpoint: path of the file.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def before_train(self, runner: Runner) -> None:
        if runner._resume:
            return
        tensors = load_state_dict(self.checkpoint)
        print_log(f'{self.checkpoint}: {load_weights(runner.model, tensors)}', 'current')
        # the host's EMAHook starts its average from what was loaded
        runner.call_hook('after_load_checkpoint', checkpoint=dict(state_dict=tensors))


def choose_start(cfg: Config, resume: str | None) -> None:
    """Choose what a run starts from: a checkpoint of its own, or weights of another.

    Args:
        cfg: of the run. Its ``load_from`` holds weights unless it says ``resume=True``.
        resume: path of the checkpoint to continue from; 'auto' takes the newest in the work
            folder, or the weights if there is none yet; None leaves it to the config.
    """
    if resume not in (None, 'auto'):
        cfg.resume, cfg.load_from = True, resume
    if not cfg.get('trust_checkpoints'):
        _load_weights_by_hook(cfg)
    if resume == 'auto':
        cfg.resume, cfg.load_from = True, None


def _load_weights_by_hook(cfg: Config) -> None:
    """Replace ``load_from`` by :class:`LoadWeightsHook`, unless the run resumes."""
    if cfg.get('load_from') and not cfg.get('resume'):
        hook = dict(type='mmpretrain.LoadWeightsHook', checkpoint=cfg.load_from)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
        cfg.load_from = None


def require_start(runner: Runner) -> None:
    """Check that the checkpoint a run starts from fits its model.

    Raises:
        FileNotFoundError, ValueError: as :func:`~cmae_mm.checkpoints.require_fit`.
    """
    if runner._resume:
        path = runner._load_from or find_latest_checkpoint(runner.work_dir)
        if path:
            require_fit(path, runner.model, whole=True)
        return
    for hook in runner.hooks:
        if isinstance(hook, LoadWeightsHook):
            require_fit(hook.checkpoint, runner.model, whole=False)
