"""What making views costs a GPU: estimated, and measured where there is one."""

import contextlib
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.registry import MODELS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

# NVIDIA H100 SXM, data sheet: bytes/s of its memory, dense bfloat16 FLOP/s; and the share of these
# that a training step is taken to reach
GPU_BANDWIDTH, GPU_FLOPS, GPU_UTILISATION = 3.35e12, 989e12, 0.45


class BytesMoved(TorchDispatchMode):
    """Count the bytes that operations read and write, as if none were fused or cached."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.index.Tensor:  # reads what it takes, not the whole
            self.total += 2 * result.nbytes
        elif func is torch.ops.aten.index_put_.default:
            self.total += 2 * args[2].nbytes
        elif not func.is_view:
            leaves = tree_flatten((args, kwargs, result))[0]
            self.total += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))
        return result


def estimate_device_views(cfg: Config, samples: list[dict]) -> dict[str, float]:
    """Estimate what making views costs a GPU, per image, from bytes moved and FLOPs counted.

    Both run on torch's device 'meta', whose tensors have a type and a shape, but no values: as on
    a GPU, but for what a CPU would do in its own way.

    Args:
        cfg: of the training.
        samples: master images with the parameters of their views.
    """
    model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor}).to('meta')
    batch = default_collate(samples)
    with mock.patch('torch.autocast', lambda *_, **__: contextlib.nullcontext()):  # knows no 'meta'
        with BytesMoved() as moved:
            views = model.data_preprocessor(batch)
        with FlopCounterMode(display=False) as flops:
            model.parse_losses(model.loss(**views))[0].backward()
    bytes_moved, step_flop = moved.total / len(samples), flops.get_total_flops() / len(samples)
    views_ms = bytes_moved / GPU_BANDWIDTH * 1000
    step_ms = step_flop / GPU_FLOPS / GPU_UTILISATION * 1000
    return {
        'bytes_moved': bytes_moved,
        'step_flop': step_flop,
        'views_ms': views_ms,
        'step_ms': step_ms,
        'share': views_ms / step_ms,
    }


def time_device_views(cfg: Config, samples: list[dict], device: str) -> dict[str, float]:
    """Measure copying master images from pinned memory to a device, and making views of them there.

    Args:
        cfg: of the training.
        samples: master images with the parameters of their views.
        device: a GPU, as torch names it.

    Returns:
        milliseconds per image, of ``copying`` and ``views``.
    """
    preprocessor = MODELS.build(cfg.data_preprocessor).to(device)
    batch = default_collate(samples)
    master = batch['inputs']['master']
    master = master.pin_memory() if device != 'cpu' else master
    batch['inputs']['master'] = master.to(device)

    def ms(statement: str) -> float:
        names = dict(preprocessor=preprocessor, batch=batch, master=master, device=device)
        timer = Timer(statement, globals=names)  # waits for a GPU
        return timer.blocked_autorange(min_run_time=2).median * 1000 / len(samples)

    return {
        'copying': ms('master.to(device, non_blocking=True)'),
        'views': ms('preprocessor(batch, True)'),
    }


def describe(estimate: dict[str, float]) -> str:
    """Say what :func:`estimate_device_views` found, and from what."""
    return (
        'views on a GPU, estimated: {bytes_moved:.3g} bytes moved per image at {bandwidth:.3g}/s '
        'are {views_ms:.4f} ms, {share:.1%} of a step of {step_flop:.3g} FLOP at {utilisation:.0%} '
        'of {flops:.3g}/s'
    ).format(**estimate, bandwidth=GPU_BANDWIDTH, utilisation=GPU_UTILISATION, flops=GPU_FLOPS)
