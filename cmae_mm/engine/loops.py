"""Training loops that a resumed run continues exactly, at any iteration."""

import torch
from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from cmae_mm.datasets import ResumableBatchSampler, SeededDataset

from .batch import Position
from .seeding import base_seed, seed_step


class ResumableLoop:
    """What both loops share: where they are in the data, and the seed of each step."""

    endless: bool
    runner: Runner
    dataloader: DataLoader

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, **kwargs) -> None:
        if isinstance(dataloader, dict):
            dataloader = self._build(runner, dataloader)
        elif not hasattr(dataloader.batch_sampler, 'start_at'):
            raise ValueError(
                'train_dataloader is a DataLoader, of which a run can not start at any batch: give '
                'its config, dict(batch_size=..., dataset=..., sampler=...)'
            )
        super().__init__(runner, dataloader, **kwargs)
        self._end_workers()  # some hosts' loops start them here, at the first batch
        self.epoch_start = 0  # iterations before this epoch
        self.indices: list[int] = []  # of the samples of this iteration's batch

    def _build(self, runner: Runner, config: dict) -> DataLoader:
        """Build a loader as the host does, that can start at any batch."""
        config = dict(config)
        # a GPU copies from pinned memory while it computes; from other memory the step waits
        config.setdefault('pin_memory', torch.cuda.is_available())
        config['dataset'] = dict(type=SeededDataset, dataset=config['dataset'])
        config['batch_sampler'] = dict(
            type=ResumableBatchSampler,
            batches=config.get('batch_sampler'),
            drop_last=config.pop('drop_last', False),
            seed=base_seed(runner),
            endless=self.endless,
        )
        return runner.build_dataloader(config, seed=base_seed(runner))

    @property
    def batch_in_epoch(self) -> int:
        """Number of batches of this epoch that training has seen."""
        return self._iter - self.epoch_start

    def resume_at(self, position: Position) -> None:
        """Go on at a position."""
        self._epoch, self._iter = position.epoch, position.iteration
        self.epoch_start = position.iteration - position.batch_in_epoch

    def run(self) -> nn.Module:
        """Run what is left of training."""
        try:
            return self._run()
        finally:
            self._end_workers()

    def _end_workers(self) -> None:
        """Tell persistent workers to end: otherwise they are terminated, which takes a minute."""
        iterator, self.dataloader._iterator = self.dataloader._iterator, None
        self.dataloader_iterator = None  # of the host's loop of iterations
        if hasattr(iterator, '_shutdown_workers'):
            iterator._shutdown_workers()

    def run_iter(self, *args) -> None:
        drawn = getattr(self.dataloader.batch_sampler, 'drawn', None)
        self.indices = drawn.popleft() if drawn else []
        diff_rank_seed = self.runner._randomness_cfg.get('diff_rank_seed', False)
        seed_step(base_seed(self.runner), self._iter, get_rank() if diff_rank_seed else 0)
        super().run_iter(*args)


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """mmengine's loop of epochs, which continues within an epoch where a checkpoint ends.

    The host's begins the epoch anew. Every step's random numbers follow from the seed, the
    iteration and the rank.
    """

    endless = False

    def _run(self) -> nn.Module:
        return EpochBasedTrainLoop.run(self)

    def run_epoch(self) -> None:
        """Run what is left of an epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        start = self.batch_in_epoch
        if start < len(self.dataloader):
            self.dataloader.batch_sampler.start_at(start)
            for index, batch in enumerate(self.dataloader, start):
                self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self.epoch_start = self._iter


@LOOPS.register_module()
class ResumableIterBasedTrainLoop(ResumableLoop, IterBasedTrainLoop):
    """mmengine's loop of iterations, which continues where a checkpoint ends.

    The host's loads everything that it skips, or does not skip. Every step's random numbers
    follow from the seed, the iteration and the rank.
    """

    endless = True

    def _run(self) -> nn.Module:
        runner = self.runner
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')  # all of training is one
        self.dataloader.batch_sampler.start_at(self.batch_in_epoch)
        batches = iter(self.dataloader)
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            self.run_iter(next(batches))
            self._decide_current_val_interval()
            if self._validation_is_due():
                runner.val_loop.run()
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def _validation_is_due(self) -> bool:
        if self.runner.val_loop is None or self._iter < self.val_begin:
            return False
        return self._iter % self.val_interval == 0 or self._iter == self._max_iters
