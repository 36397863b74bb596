"""Pictures of an encoder while it trains."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.models import VisionTransformer
from mmpretrain.registry import HOOKS
from torch import Tensor, nn

from cmae_mm.checkpoints import unwrap
from cmae_mm.datasets.folder import find_images
from cmae_mm.evaluation import (
    can_reconstruct,
    draw_reconstructions,
    image_loading,
    input_shape,
    load_image,
)

from .attention import draw_attention
from .style import to_array


@HOOKS.register_module()
class PictureHook(Hook):
    """Draw reconstructions and attention maps of the same images every few epochs.

    They go to all backends of the visualizer: as files into ``<time>/vis_data/vis_image/`` of the
    work folder, and to the run's trackers. Training does not notice: random numbers and the mode
    of each module are afterwards what they were. Rank 0 draws, the others go on.

    Args:
        interval: epochs from one picture to the next.
        by_epoch: False counts iterations, for runs that do.
        images: folder, of whose images some at even distances are taken. None:
            ``feature_eval.test`` of the config or, without, the folder that is trained on.
        count: of images.
        seed: of the masks, the same each time.

    Raises:
        ValueError: an interval or count below 1; at the start of training: an interval in epochs
            where iterations are counted, no images, or a model that neither reconstructs nor
            attends.
        FileNotFoundError: at the start of training, no such folder.
    """

    priority = 'LOW'

    def __init__(
        self,
        interval: int = 10,
        by_epoch: bool = True,
        images: str | None = None,
        count: int = 6,
        seed: int = 0,
    ) -> None:
        if interval < 1 or count < 1:
            raise ValueError(f'interval={interval}, count={count}: must be at least 1')
        self.interval = interval
        self.by_epoch = by_epoch
        self.folder = images
        self.count = count
        self.seed = seed

    def before_train(self, runner: Runner) -> None:
        if self.by_epoch and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                f'PictureHook has an interval of {self.interval} epochs, but this run counts '
                'iterations: set by_epoch=False and interval to a number of them'
            )
        self.draws = self.possible_draws(unwrap(runner.model))
        if is_main_process():
            self.images = self._load(self._source(runner), runner.cfg)

    @staticmethod
    def possible_draws(model: nn.Module) -> list[Callable[[nn.Module, Tensor], np.ndarray]]:
        """Return what can be drawn of a model.

        Raises:
            ValueError: nothing.
        """
        draws: list[Callable[[nn.Module, Tensor], np.ndarray]] = []
        if can_reconstruct(model):
            draws.append(_reconstruction)
        if isinstance(getattr(model, 'backbone', None), VisionTransformer):
            draws.append(_attention)
        if not draws:
            raise ValueError(
                f'PictureHook can draw nothing of {type(model).__name__}, which neither '
                'reconstructs nor has a Vision Transformer: remove it from the hooks'
            )
        return draws

    def _source(self, runner: Runner) -> Path:
        of_config = runner.cfg.get('feature_eval', {}).get('test')
        of_training = getattr(runner.train_dataloader.dataset, 'img_prefix', None)
        folders = [self.folder] if self.folder else [of_config, of_training]
        folders = [folder for folder in folders if folder and not isinstance(folder, dict)]
        for folder in map(Path, folders):
            if folder.is_dir():
                return folder
        missing = ' or '.join(repr(str(folder)) for folder in folders)
        raise FileNotFoundError(
            f'PictureHook has no images: no folder {missing or "is named"}; set its field images'
        )

    def _load(self, folder: Path, cfg: Config) -> Tensor:
        found, _ = find_images(folder)
        if not found:
            raise ValueError(f'PictureHook found no images in {str(folder)!r}')
        count = min(self.count, len(found))
        channels, height, width = input_shape(cfg)
        chosen = [found[order * len(found) // count] for order in range(count)]
        load = partial(
            load_image, size=(height, width), channels=channels, loading=image_loading(cfg)
        )
        return torch.stack([load(folder / path) for path in chosen])

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and self.every_n_epochs(runner, self.interval):
            self._draw(runner, step=runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx, data_batch=None, outputs=None) -> None:
        if not self.by_epoch and self.every_n_train_iters(runner, self.interval):
            self._draw(runner, step=runner.iter + 1)

    def _draw(self, runner: Runner, step: int) -> None:
        if not is_main_process():
            return
        model = unwrap(runner.model)
        with looking_at(model, self.seed):
            for draw in self.draws:
                picture = draw(model, self.images)
                runner.visualizer.add_image(draw.__name__.strip('_'), picture, step=step)


@contextmanager
def looking_at(model: nn.Module, seed: int) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients, with random numbers of a seed's own."""
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == 'cuda' else []), torch.no_grad():
        # of this device alone: manual_seed would also seed those that were not forked
        torch.default_generator.manual_seed(seed)
        if device.type == 'cuda':
            torch.cuda.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def _reconstruction(model: nn.Module, images: Tensor) -> np.ndarray:
    picture = draw_reconstructions(model, images.to(next(model.parameters()).device))
    return picture if picture.ndim == 3 else np.stack([picture] * 3, axis=2)


def _attention(model: nn.Module, images: Tensor) -> np.ndarray:
    inputs = model.data_preprocessor({'inputs': images.to(next(model.parameters()).device)})
    return to_array(draw_attention(model.backbone, images, inputs['inputs']))
