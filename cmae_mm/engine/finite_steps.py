"""An optimiser wrapper that makes a step only if its numbers are finite."""

import functools

import torch
from mmengine.dist import all_reduce, is_distributed
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

_BATCH_NORMS = nn.modules.batchnorm._BatchNorm


class FiniteSteps:
    """Guards the steps of an optimiser wrapper, without waiting for the device.

    A step is left out if the loss of any rank, or the gradients, are NaN or infinite: weights,
    the optimiser's state and the statistics of batch norms stay as they were before it. The
    answer stays on the device where the optimiser can take it there: torch's fused optimisers
    take it as a tensor, a loss scaler by an infinite gradient. Other optimisers wait for it.

    Args:
        optim_wrapper: of mmengine; its methods are replaced until :meth:`release`.
        model: whose batch norms are guarded, possibly wrapped for several ranks.
        capacity: number of latest steps of which the answers are kept.
    """

    def __init__(self, optim_wrapper: OptimWrapper, model: nn.Module, capacity: int) -> None:
        self.optim_wrapper = optim_wrapper
        self.parameters = [
            parameter
            for group in optim_wrapper.optimizer.param_groups
            for parameter in group['params']
        ]
        self.statistics = [
            buffer
            for module in model.modules()
            if isinstance(module, _BATCH_NORMS)
            for buffer in module.buffers()
        ]
        self.before = [tensor.clone() for tensor in self.statistics]
        device = self.parameters[0].device
        # float32, as fused optimisers take it: 1 = not finite
        self.own = torch.zeros((), device=device)
        self.answers = torch.zeros(capacity, 2, device=device)
        self.count = 0

        self.make_backward, self.make_step = optim_wrapper.backward, optim_wrapper.step
        optim_wrapper.backward = self._backward
        # with the mark by which schedulers know a step that they count
        optim_wrapper.step = functools.wraps(self.make_step)(lambda **kwargs: self._step(**kwargs))

    def release(self) -> None:
        """Give the wrapper its own methods back."""
        self.optim_wrapper.backward = self.make_backward
        self.optim_wrapper.step = self.make_step
        if hasattr(self.optim_wrapper.optimizer, 'found_inf'):
            del self.optim_wrapper.optimizer.found_inf

    def take(self) -> list[tuple[bool, bool]]:
        """Wait for the answers of the steps since the last call, at most ``capacity``.

        Returns:
            for each step, whether it was left out, and whether this rank's own loss was a reason.
        """
        answers = self.answers[: self.count].bool().tolist()
        self.count = 0
        return [(left_out, own) for left_out, own in answers]

    def _backward(self, loss: Tensor, **kwargs) -> None:
        self.own = torch.maximum(self.own, _not_finite(loss.detach()))
        self.make_backward(loss, **kwargs)

    def _step(self, **kwargs) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        left_out = torch.maximum(self.own, _not_finite(norms.sum()))
        if is_distributed():
            all_reduce(left_out, 'max')
        self._step_unless(left_out, gradients, kwargs)
        for tensor, old in zip(self.statistics, self.before):
            tensor.copy_(torch.where(left_out.bool(), old, tensor))
            old.copy_(tensor)
        self.answers[self.count, 0], self.answers[self.count, 1] = left_out, self.own
        self.count += 1
        self.own = torch.zeros_like(self.own)

    def _step_unless(self, left_out: Tensor, gradients: list[Tensor], kwargs: dict) -> None:
        optimizer = self.optim_wrapper.optimizer
        scaler = getattr(self.optim_wrapper, 'loss_scaler', None)
        if scaler is not None and scaler.is_enabled():
            # it looks for infinite gradients itself; the loss may be one without having any
            gradients[0].masked_fill_(left_out.bool(), torch.inf)
            self.make_step(**kwargs)
        elif all(group.get('fused') for group in optimizer.param_groups):
            optimizer.found_inf = left_out
            self.make_step(**kwargs)
        elif not left_out:
            self.make_step(**kwargs)


def _not_finite(value: Tensor) -> Tensor:
    return (~torch.isfinite(value)).float()
