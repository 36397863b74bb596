"""Images per second in the log, and a live line on a terminal."""

import contextlib
import sys

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show how fast training is and how far it has come.

    Puts ``train/images_per_s``, the throughput over all ranks, in the message hub, from which
    mmengine's ``LoggerHook`` prints it next to the losses. On rank 0, if the error stream is a
    terminal, a live line shows step, losses, images per second and the remaining time.

    Needs mmengine's ``IterTimerHook``, one of its default hooks.

    Args:
        window: number of latest steps over which the rate is averaged.
    """

    # after IterTimerHook (NORMAL), before LoggerHook (BELOW_NORMAL)
    priority = 55

    def __init__(self, window: int = 20) -> None:
        self.window = window
        self.live = contextlib.ExitStack()
        self.bar: tqdm | None = None

    def before_train(self, runner) -> None:
        if not (is_main_process() and sys.stderr.isatty()):
            return
        # log lines are printed above the live line instead of into it
        self.live.enter_context(logging_redirect_tqdm([runner.logger]))
        self.bar = self.live.enter_context(
            tqdm(
                total=runner.max_iters,
                initial=runner.iter,
                unit='step',
                dynamic_ncols=True,
                mininterval=1.0,  # seconds
                bar_format='{n_fmt}/{total_fmt} |{bar}| {remaining} left{postfix}',
            )
        )

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        hub = runner.message_hub
        batch_size = runner.train_dataloader.batch_sampler.batch_size
        seconds = hub.get_scalar('train/time').mean(self.window)
        rate = batch_size * get_world_size() / seconds
        hub.update_scalar('train/images_per_s', rate)
        if self.bar is not None:
            self._show(self.bar, rate, outputs)

    def _show(self, bar: tqdm, rate: float, outputs: dict) -> None:
        """Draw the live line if its time has come; reading the losses waits for the device."""
        if bar.update() or bar.n == bar.total:
            losses = {name: value.item() for name, value in outputs.items() if 'loss' in name}
            bar.set_postfix(**losses, images_per_s=f'{rate:.0f}')

    def after_train(self, runner) -> None:
        self.live.close()
        self.bar = None
