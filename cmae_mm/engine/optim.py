"""What pre-training needs beyond mmengine's optimiser wrappers."""

from typing import List

import torch
from mmengine.optim import (
    AmpOptimWrapper,
    DefaultOptimWrapperConstructor,
    OptimWrapper,
)
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from torch import nn
from torch.cuda.amp import GradScaler


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(AmpOptimWrapper):
    """float16 with loss scaling, or bfloat16; on a CPU always bfloat16.

    The host's ``AmpOptimWrapper`` refuses to start without a GPU; with this one
    the same config runs there too. bfloat16 has float32's range and needs no
    loss scale.

    Args:
        dtype: 'float16' or 'bfloat16'.
        loss_scale: of float16; see mmengine's AmpOptimWrapper.
        **kwargs: of mmengine's OptimWrapper.
    """

    def __init__(
        self, dtype: str = 'float16', loss_scale='dynamic', **kwargs
    ) -> None:
        if dtype not in ('float16', 'bfloat16'):
            raise ValueError(f"dtype={dtype!r}: choose 'float16' or 'bfloat16'")
        if dtype == 'float16' and torch.cuda.is_available():
            super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
            return
        OptimWrapper.__init__(self, **kwargs)
        self.cast_dtype = torch.bfloat16
        self.loss_scaler = GradScaler(enabled=False)
        self._scale_update_param = None


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PretrainOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """The host's parameter-wise rules in as few groups as they make.

    The host makes one group a parameter, which costs the optimiser its fused
    update; here parameters of equal settings share a group. Frozen modules (the
    momentum target) are left out, and so have no optimiser state.
    """

    def add_params(
        self, params: List[dict], module: nn.Module, prefix: str = '', **kwargs
    ) -> None:
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return
        if prefix:
            super().add_params(params, module, prefix, **kwargs)
            return
        single: List[dict] = []
        super().add_params(single, module, prefix, **kwargs)
        groups = {}
        for group in single:
            parameters = [p for p in group.pop('params') if p.requires_grad]
            settings = tuple(sorted(group.items()))
            groups.setdefault(settings, []).extend(parameters)
        params.extend(
            dict(settings, params=parameters)
            for settings, parameters in groups.items()
            if parameters
        )
