"""The precision of a run."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner.amp import autocast
from mmpretrain.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from cmae_mm.compat import within

# the name until torch 2.3, and deprecated since
GradScaler = getattr(torch.amp, 'GradScaler', torch.cuda.amp.GradScaler)


@OPTIM_WRAPPERS.register_module()
class PrecisionOptimWrapper(AmpOptimWrapper):
    """Train in float32, in float16 with loss scaling, or in bfloat16.

    The host's ``AmpOptimWrapper`` refuses to start without a GPU. With this one the same config
    also runs on a CPU: float16 becomes bfloat16 if the processor has instructions for it
    (emulation is slower than float32), otherwise float32. The log says which precision is used,
    and why if it is not the config's. bfloat16 has float32's range and needs no loss scale.

    Args:
        dtype: 'float32', 'float16' or 'bfloat16'; an explicit 'bfloat16' is used even if the
            processor only emulates it.
        loss_scale: of float16; see mmengine's AmpOptimWrapper.
        **kwargs: of mmengine's OptimWrapper.

    Raises:
        ValueError: another dtype.
    """

    def __init__(self, dtype: str = 'float16', loss_scale='dynamic', **kwargs) -> None:
        if dtype not in ('float32', 'float16', 'bfloat16'):
            raise ValueError(f"dtype={dtype!r}: choose 'float32', 'float16' or 'bfloat16'")
        chosen, reason = choose_precision(dtype, torch.cuda.is_available(), cpu_has_bfloat16())
        print_log(f'precision: {chosen}{reason}', 'current')
        if chosen == 'float16':
            super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
        else:
            self._init_without_scale(chosen, **kwargs)
        if getattr(self, 'grad_name', None) == 'grad_norm':
            self.clip_func = self._clip_norm

    def _init_without_scale(self, chosen: str, **kwargs) -> None:
        OptimWrapper.__init__(self, **kwargs)
        self.cast_dtype = None if chosen == 'float32' else torch.bfloat16
        self.loss_scaler = GradScaler(enabled=False)
        self._scale_update_param = None
        if self.cast_dtype and not torch.cuda.is_available() and within(torch.__version__, '<2.2'):
            # Its fused attention on CPUs writes out of bounds in the backward pass in bfloat16,
            # with 17 tokens for example (github.com/pytorch/pytorch/issues/132871).
            torch.backends.cuda.enable_flash_sdp(False)  # despite its name, also for CPUs

    def _clip_norm(self, parameters: list[Tensor], **kwargs) -> None:
        """Clip gradients; the hub gets the norm as a tensor, for which nothing waits.

        The host, which is not returned the norm, would convert it to a number.
        """
        norm = nn.utils.clip_grad_norm_(parameters, **kwargs)
        self.message_hub.update_scalar(f'train/{self.grad_name}', norm)

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state of a run of any precision.

        A run without a loss scale saves an empty state for it, which the scaler of a float16
        run rejects: the scale then starts as in a new run.
        """
        if state_dict.get('loss_scaler') == {}:
            state_dict = {key: value for key, value in state_dict.items() if key != 'loss_scaler'}
            if self.loss_scaler.is_enabled():
                print_log(
                    'resumed from a run without a loss scale: the scale starts afresh', 'current'
                )
        super().load_state_dict(state_dict)

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        cast = autocast(dtype=self.cast_dtype, enabled=self.cast_dtype is not None)
        with OptimWrapper.optim_context(self, model), cast:
            yield


def choose_precision(dtype: str, gpu: bool, bfloat16: bool) -> tuple[str, str]:
    """Return the precision to use, and the reason for the log if it is not the config's.

    Args:
        dtype: as the config requests.
        gpu: whether there is a GPU.
        bfloat16: whether the processor has bfloat16 instructions.
    """
    if gpu or dtype == 'float32':
        return dtype, ''
    if dtype == 'bfloat16':
        return dtype, '' if bfloat16 else ' (slow: this processor only emulates it)'
    if bfloat16:
        return 'bfloat16', ' instead of float16, which needs a GPU'
    return 'float32', (
        ' instead of float16, which needs a GPU; this processor has no bfloat16 instructions'
    )


def cpu_has_bfloat16() -> bool:
    """Whether Linux reports bfloat16 matrix instructions for this processor.

    torch has no query that all supported releases share; its ``mkldnn_bf16_supported`` is also
    true where AVX-512 emulates them.
    """
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:  # not Linux
        return False
    flags = {flag for line in text.splitlines() for flag in line.split(':')[-1].split()}
    return not flags.isdisjoint({'avx512_bf16', 'amx_bf16', 'bf16'})  # x86, x86, ARM
