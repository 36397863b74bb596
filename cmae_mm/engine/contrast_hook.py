"""Numbers that tell why a contrastive loss rises."""

from functools import partial

import torch
from mmengine.dist import all_gather, all_reduce, get_world_size
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS
from torch import Tensor, nn

from cmae_mm.checkpoints import unwrap
from cmae_mm.models.losses import (
    alignment,
    effective_rank,
    retrieval_accuracy,
    standard_deviation,
    uniformity,
)

_PARTS = ('pixel_decoder', 'feature_decoder', 'head.contrastive')


@HOOKS.register_module()
class ContrastDiagnosisHook(Hook):
    """Log every few steps what tells collapse, false positives and a small batch apart.

    Looks on at an ordinary training step and changes nothing in it, neither weights nor random
    numbers. Other steps are left alone: nothing is computed, and no device is waited for.

    One line in the log and in ``scalars.json``, and one value each in the message hub:

    - ``contrast/alignment``, ``contrast/retrieval``: of predictions and targets;
    - ``contrast/{uniformity,rank,std}_{prediction,target}``;
    - ``contrast/gradient_rc``, ``contrast/gradient_ct``: L2 norms of the gradients of the
      reconstruction and of the contrastive loss, as weighted in training, with respect to the
      encoder's output tokens. These are what the two losses share, and where they compete for
      the encoder. Each loss reaches them through a decoder of its own, so that the backward
      pass of training computes both on its way. Loss scale and accumulation are divided out.

    Functions in ``cmae_mm.models.losses`` define the others; docs/contrast.md says how to read
    them. All are of the joined batch of all ranks. The names do not begin with ``train/``:
    mmengine's LoggerHook would repeat the last values on every line.

    Args:
        interval: steps from one diagnosis to the next.

    Raises:
        ValueError: interval below 1, or (in ``before_train``) a model without two decoders and a
            contrastive loss.
    """

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'interval={interval}: must be at least 1 step')
        self.interval = interval
        self.handles: list = []
        self.seen: dict[str, Tensor] = {}

    def before_train(self, runner) -> None:
        model = unwrap(runner.model)
        modules = dict(model.named_modules())
        missing = [name for name in _PARTS if name not in modules]
        if missing:
            raise ValueError(
                f'ContrastDiagnosisHook needs a model like CMAE; {type(model).__name__} has no '
                f'{", ".join(missing)}: remove the hook from custom_hooks'
            )
        self.modules = [modules[name] for name in _PARTS]
        self.model = model

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if not self.every_n_train_iters(runner, self.interval):
            return
        # torch.compile does not see hooks that come after it: this step runs without it
        self.compiled = vars(self.model).pop('loss', None)
        pixel_decoder, feature_decoder, contrastive = self.modules
        self.handles = [
            pixel_decoder.register_full_backward_hook(partial(self._see_gradient, 'gradient_rc')),
            feature_decoder.register_full_backward_hook(partial(self._see_gradient, 'gradient_ct')),
            contrastive.register_forward_hook(self._see_vectors),
        ]

    def _see_gradient(self, name: str, decoder: nn.Module, grad_inputs, grad_outputs) -> None:
        # float32: the sum of squares overflows float16. Micro batches come one by one.
        square = grad_inputs[0].float().square().sum()
        self.seen[name] = self.seen.get(name, 0) + square

    def _see_vectors(self, contrastive: nn.Module, args, loss: Tensor) -> None:
        self.seen['prediction'], self.seen['target'] = (vectors.detach() for vectors in args)
        # What arrives here in the backward pass is what all losses are multiplied by: the
        # scale of float16, divided by the number of accumulated steps.
        loss.register_hook(partial(self.seen.__setitem__, 'factor'))

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not self.handles:
            return
        for handle in self.handles:
            handle.remove()
        if self.compiled is not None:
            self.model.loss = self.compiled
        values = _diagnose(**self.seen)
        self.handles, self.seen = [], {}
        numbers = torch.stack(list(values.values())).tolist()  # waits for the device, once
        named = dict(zip(values, numbers, strict=True))
        runner.logger.info(
            f'contrast at step {runner.iter + 1}: '
            + '  '.join(f'{name} {number:.3g}' for name, number in named.items())
        )
        scalars = {f'contrast/{name}': number for name, number in named.items()}
        runner.message_hub.update_scalars(scalars)
        runner.visualizer.add_scalars(scalars, step=runner.iter + 1)


@torch.no_grad()
def _diagnose(
    prediction: Tensor, target: Tensor, gradient_rc: Tensor, gradient_ct: Tensor, factor: Tensor
) -> dict[str, Tensor]:
    """Describe the joined batch of all ranks.

    Args:
        prediction, target: of this rank, (N, D).
        gradient_rc, gradient_ct: squared norms of this rank's gradients, scalars.
        factor: of the gradients.

    Returns:
        scalars on the same device, by name.
    """
    prediction, target = (
        torch.cat(all_gather(vectors.float())) for vectors in (prediction, target)
    )  # (M, D)
    values = {
        'alignment': alignment(prediction, target),
        'retrieval': retrieval_accuracy(prediction, target),
    }
    for measure, name in (
        (uniformity, 'uniformity'),
        (effective_rank, 'rank'),
        (standard_deviation, 'std'),
    ):
        values[f'{name}_prediction'] = measure(prediction)
        values[f'{name}_target'] = measure(target)
    squares = torch.stack((gradient_rc, gradient_ct)) / factor.square()
    all_reduce(squares)
    # the joined batch's loss is the mean of the ranks' losses
    values['gradient_rc'], values['gradient_ct'] = squares.sqrt() / get_world_size()
    return values
