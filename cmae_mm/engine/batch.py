"""How many images a run takes at a time, and resuming with another number of ranks."""

import warnings
from typing import NamedTuple

from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch.optim import Optimizer


class Batch(NamedTuple):
    """The images of one iteration, and of one step of the optimiser.

    Attributes:
        ranks: number of processes.
        per_rank: images of an iteration on each.
        accumulated: iterations whose gradients make one step.
    """

    ranks: int
    per_rank: int
    accumulated: int

    @property
    def images(self) -> int:
        """Images of one iteration."""
        return self.ranks * self.per_rank

    @property
    def images_per_step(self) -> int:
        """Images of one step."""
        return self.images * self.accumulated

    def __str__(self) -> str:
        over = f' x {self.accumulated} accumulated' if self.accumulated > 1 else ''
        return (
            f'{self.images_per_step} images per step ({self.ranks} ranks x {self.per_rank}{over})'
        )


def batch_of(runner: Runner) -> Batch:
    """Return the batch that a run's config says."""
    return Batch(
        ranks=get_world_size(),
        per_rank=runner.train_dataloader.batch_sampler.batch_size,
        accumulated=getattr(runner.optim_wrapper, '_accumulative_counts', 1),
    )


def completes_step(optim_wrapper: OptimWrapper) -> bool:
    """Whether the optimiser makes its step after this iteration; several make their own."""
    return isinstance(optim_wrapper, OptimWrapperDict) or optim_wrapper.should_update()


def require_same_step(old: Batch, new: Batch, changeable: bool) -> None:
    """Check that a resumed run makes the steps that it would have made.

    Args:
        old: of the run that saved the checkpoint.
        new: of this run.
        changeable: only log what changes.

    Raises:
        ValueError: the number of images per step differs.
    """
    if old == new:
        return
    if old.images_per_step == new.images_per_step:
        print_log(f'resuming a run of {old} with {new}', 'current')
        return
    change = (
        f'the checkpoint is of a run with {old}, this one has {new}: both the learning rate and '
        'the number of steps of an epoch go with it'
    )
    if not changeable:
        raise ValueError(
            f'{change}. Keep their number by train_dataloader.batch_size or '
            'optim_wrapper.accumulative_counts, or resume with --allow-batch-change'
        )
    print_log(change, 'current')


class Position(NamedTuple):
    """Where training is.

    Attributes:
        epoch: complete epochs.
        iteration: complete iterations.
        batch_in_epoch: complete iterations since the epoch began; loops of iterations have one
            endless epoch.
    """

    epoch: int
    iteration: int
    batch_in_epoch: int


def convert_position(
    position: Position, old: Batch, new: Batch, epoch_length: int | None
) -> Position:
    """Express a position in iterations of another batch; the images seen stay the same.

    Args:
        position: in iterations of ``old``.
        old, new: batches.
        epoch_length: iterations of an epoch of ``new``; None for a loop of iterations, which
            keeps its number of steps.
    """
    if old.images == new.images:
        return position
    batch_in_epoch = position.batch_in_epoch * old.images // new.images
    if epoch_length is None:
        iteration = position.iteration * new.accumulated // old.accumulated
    else:
        iteration = position.epoch * epoch_length + batch_in_epoch
    return Position(position.epoch, iteration, batch_in_epoch)


class FreshSchedule:
    """The schedule as a config makes it, before a checkpoint's takes its place.

    Args:
        optimizer: or its wrapper; loading a checkpoint replaces its ``param_groups``.
        schedulers: of mmengine, around it.
    """

    def __init__(self, optimizer: Optimizer | OptimWrapper, schedulers: list) -> None:
        self.optimizer, self.schedulers = optimizer, schedulers
        self.settings = [
            {name: value for name, value in group.items() if name != 'params'}
            for group in optimizer.param_groups
        ]
        self.states = [scheduler.state_dict().copy() for scheduler in schedulers]

    def replay(self, position: Position) -> None:
        """Bring it back, and to where it is after so many iterations and epochs."""
        for group, settings in zip(self.optimizer.param_groups, self.settings):
            group.update(settings)
        for scheduler, state in zip(self.schedulers, self.states):
            scheduler.load_state_dict(state)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that the optimiser makes no steps
            for by_epoch, count in ((False, position.iteration), (True, position.epoch)):
                several = [one for one in self.schedulers if one.by_epoch == by_epoch]
                for _ in range(count if several else 0):
                    for scheduler in several:
                        scheduler.step()
