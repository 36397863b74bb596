#!/usr/bin/env python
"""Time whole training steps of CMAE beside MAE and beside the released code's way to compute CMAE.

python tools/benchmarks/train_step.py [--archs b] [--precisions float32 bfloat16] [--batch 8]

A step is what the Runner repeats: normalise the views, losses, backward pass, optimiser, momentum
target. The methods of an architecture and a precision take turns, and the best of several rounds
counts, so that a machine whose speed drifts is fair to all. Model FLOPs are those of the matrix
products of the forward and backward pass, without what is computed again; the rate that they are
compared with is that of a large square linear layer. Runs on the GPU if there is one.
"""

import argparse
import functools
import gc
import itertools
import time
from pathlib import Path
from typing import NamedTuple

import cmae_mm  # noqa: F401  # first: mmpretrain's models need its mending with transformers 5

# isort: split
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import MultiheadAttention
from mmpretrain.models.utils.attention import scaled_dot_product_attention_pyimpl
from report import Ratio, draw_bars, machine, write_results
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cmae_mm.compat import quiet_log
from cmae_mm.cpu import keep_freed_memory, use_fastest_layers, use_fastest_linear
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.models import build_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SCHEDULE = '32xb128-amp-coslr-300e_in1k'
ARCHS = {'s': 'small', 'b': 'base', 'l': 'large'}
METHODS = {
    'CMAE, paper': 'cmae/cmae_vit-{arch}-p16_{schedule}.py',
    'CMAE, published': 'cmae/cmae_vit-{arch}-p16_{schedule}.py',
    "CMAE, published, the released code's way": 'cmae/cmae_vit-{arch}-p16_{schedule}.py',
    "MAE, by this package's Runner": 'mae/mae_vit-{arch}-p16_{schedule}.py',
    "MAE, by mmengine's Runner": 'mae/mae_vit-{arch}-p16_{schedule}.py',
}
PAPER, PUBLISHED, RELEASED, MAE, HOST_MAE = METHODS
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


class Case(NamedTuple):
    """A model and all that a step of it needs."""

    model: nn.Module
    optim_wrapper: object
    batch: dict


def build(method: str, arch: str, precision: str, batch_size: int, compiled: bool = False) -> Case:
    """Build a method's model, its optimiser as in its config, and a batch of noise."""
    cfg = Config.fromfile(CONFIGS / METHODS[method].format(arch=ARCHS[arch], schedule=SCHEDULE))
    if method in (PUBLISHED, RELEASED):
        published = Config.fromfile(CONFIGS / '_base_/models/cmae-published_vit-base-p16.py')
        published.model.backbone.arch = cfg.model.backbone.arch
        cfg.model = published.model
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    model = revert_sync_batchnorm(model).to(DEVICE).train()
    if method == RELEASED:
        compute_as_released(model)
    if method in (RELEASED, HOST_MAE) and DEVICE == 'cpu':
        cfg.optim_wrapper.optimizer.fused = False
    cfg.optim_wrapper.dtype = precision
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    if compiled:
        model.loss = torch.compile(model.loss)
    views = {
        name: torch.randint(0, 256, (batch_size, 3, 224, 224), dtype=torch.uint8, device=DEVICE)
        for name in model.data_preprocessor.views
    }
    return Case(model, optim_wrapper, {'inputs': views})


def compute_as_released(model: nn.Module) -> None:
    """Let a CMAE compute in the released code's order, with unfused attention.

    Its decoders predict all patches (the feature decoder's mean comes last), and the loss is
    masked afterwards (cmae/models at e786a52 of github.com/ZhichengHuang/CMAE). Same results.
    """
    for module in model.modules():
        if isinstance(module, TransformerEncoderLayer):
            module.__class__ = TransformerEncoderLayer
            module.attn.__class__ = MultiheadAttention
            module.attn.scaled_dot_product_attention = scaled_dot_product_attention_pyimpl
            module.ffn.__class__ = type(module.ffn).__mro__[1]
    model.loss = lambda inputs, data_samples=None: _released_loss(model, *inputs)


def _released_loss(model: nn.Module, online_view: Tensor, target_view: Tensor) -> dict:
    tokens, mask = model.backbone.encode(online_view)
    pixels = model.pixel_decoder(tokens, mask.ids_restore)
    decoder = model.feature_decoder
    features = decoder.decoder_pred(decoder.decode(tokens, mask.ids_restore)).mean(dim=1)
    online = model.head.predictor(model.projector((features,)))[0]
    with torch.no_grad():
        patches = model.target_backbone.encode(target_view)[0][:, 1:]
        target = model.target_projector((patches.mean(dim=1),))[0]
    head = model.head
    with torch.autocast(DEVICE, enabled=False):
        target_pixels = head.construct_target(online_view)
        loss_rc = head.loss_module(pixels.float(), target_pixels, mask.mask)
    return {'loss_rc': loss_rc, 'loss_ct': head.contrastive(online, target)}


def step(case: Case) -> None:
    """Make a training step."""
    case.model.train_step(case.batch, case.optim_wrapper)
    if hasattr(case.model, 'update_target'):
        case.model.update_target(0.996)


def seconds(function, *args) -> float:
    """Time a call, waiting for the GPU."""
    _wait()
    start = time.perf_counter()
    function(*args)
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if DEVICE == 'cuda':
        torch.cuda.synchronize()


@functools.cache
def flops_per_image(arch: str, method: str) -> float:
    """Count the matrix products of a forward and backward pass, with unfused attention."""
    with quiet_log():
        case = build(method, arch, 'float32', 2)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step(case)
    return counter.get_total_flops() / 2


@torch.no_grad()
def matrix_rate(precision: str) -> float:
    """Return the FLOP/s of a large linear layer, the fastest that there is."""
    size = 8192 if DEVICE == 'cuda' else 2048
    dtype = getattr(torch, precision)
    layer = nn.Sequential(nn.Linear(size, size, bias=False, device=DEVICE, dtype=dtype))
    use_fastest_linear(layer)
    x = torch.randn(size, size, device=DEVICE, dtype=dtype)
    return 2 * size**3 / min(seconds(layer, x) for _ in range(10))


def kept_for_backward(case: Case) -> int:
    """Return the bytes that a forward pass keeps for the backward pass.

    Each piece of memory counts once, parameters and buffers do not, and neither do the optimiser
    and gradients.
    """
    own = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*case.model.parameters(), *case.model.buffers())
    }
    kept: dict[int, Tensor] = {}  # held, so that their memory is not used again

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    data = case.model.data_preprocessor(case.batch, True)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        case.optim_wrapper.optim_context(case.model),
    ):
        losses = case.model(**data, mode='loss')
    del losses
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def peak_memory(case: Case) -> int:
    """Return how many bytes a step takes at most beyond those that were in use before it."""
    if DEVICE == 'cuda':
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(case)
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(profile_memory=True) as profile:
        step(case)
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profile.profiler.kineto_results.events()
        if event.name() == '[memory]'
    ]
    return max(itertools.accumulate(change for _, change in sorted(changes)))


def measure(arch: str, precision: str, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure all methods of one architecture and precision, in turn."""
    with quiet_log():
        cases = {
            f'{method}{", compiled" if compiled else ""}': build(
                method, arch, precision, args.batch, compiled
            )
            for method in args.methods
            for compiled in ((False, True) if args.compile else (False,))
        }
    for name, case in cases.items():
        if not name.startswith((RELEASED, HOST_MAE)):
            use_fastest_layers(case.model)  # as SafeRunner does
    rows = {}
    for name, case in cases.items():
        step(case)  # the optimiser's state
        rows[name] = {'peak': peak_memory(case), 'kept': kept_for_backward(case)}
    rate = matrix_rate(precision)
    times = {name: [] for name in cases}
    for _ in range(args.rounds):
        for name, case in cases.items():
            times[name].append(seconds(step, case))
    for name, row in rows.items():
        row['seconds'] = min(times[name])
        row['images_per_second'] = args.batch / row['seconds']
        method = name.removesuffix(', compiled')
        # one way to compute takes no credit for another's waste
        useful = PUBLISHED if method == RELEASED else method
        row['flops_per_image'] = flops_per_image(arch, useful)
        row['flops_per_second'] = row['flops_per_image'] * row['images_per_second']
        row['share_of_matrix_rate'] = row['flops_per_second'] / rate
    return rows


def print_rows(title: str, rows: dict[str, dict[str, float]]) -> None:
    print(title)
    print(f'{"":44}{"s/step":>8}{"images/s":>10}{"TFLOP/s":>9}{"of rate":>9}{"kept":>9}{"peak":>9}')
    for name, row in rows.items():
        print(
            f'{name:44}{row["seconds"]:8.3f}{row["images_per_second"]:10.1f}'
            f'{row["flops_per_second"] / 1e12:9.3f}{row["share_of_matrix_rate"]:9.0%}'
            f'{row["kept"] / 2**20:5.0f} MiB{row["peak"] / 2**20:5.0f} MiB',
            flush=True,
        )


def ratios_of(results: dict[tuple[str, str], dict]) -> list[Ratio]:
    """The limits of the ViT-B steps that were measured."""
    ratios = []
    for (arch, precision), rows in results.items():
        if arch != 'b':
            continue
        where = f', {precision}'
        if {PUBLISHED, RELEASED} <= rows.keys():
            new, old = rows[PUBLISHED], rows[RELEASED]
            kept = new['kept'] / old['kept']
            ratios.append(Ratio(f"bytes kept / released code's{where}", kept, 0.7, True))
            limit = {'cpu float32': 1.05, 'cuda bfloat16': 1.5}.get(f'{DEVICE} {precision}')
            if limit:
                gain = old['seconds'] / new['seconds']
                ratios.append(Ratio(f"speed / released code's{where}", gain, limit))
        for other in (MAE, HOST_MAE):
            if {PAPER, other} <= rows.keys():
                share = rows[PAPER]['seconds'] / rows[other]['seconds']
                ratios.append(Ratio(f'time / {other}{where}', share, 1.7, True))
        if DEVICE == 'cuda' and precision == 'bfloat16' and PAPER in rows:
            share = max(row['share_of_matrix_rate'] for row in rows.values())
            ratios.append(Ratio('share of the matrix rate, bfloat16', share, 0.45))
    single, half = (results.get(('b', name), {}) for name in ('float32', 'bfloat16'))
    if DEVICE == 'cpu' and RELEASED in single and PUBLISHED in half:
        gain = single[RELEASED]['seconds'] / half[PUBLISHED]['seconds']
        ratios.append(Ratio("speed, bfloat16 / released code's way in float32", gain, 2.5))
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--archs', nargs='+', choices=ARCHS, default=['b'])
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS))
    precisions = ['float32', 'bfloat16', *(['float16'] if DEVICE == 'cuda' else [])]
    parser.add_argument('--precisions', nargs='+', choices=precisions, default=precisions)
    parser.add_argument('--batch', type=int, default=8 if DEVICE == 'cpu' else 128)
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--compile', action='store_true', help='also time compiled models')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks'))
    args = parser.parse_args()
    init_default_scope('mmpretrain')
    keep_freed_memory()  # as SafeRunner does
    results, images = {}, {}
    with one_line_errors():
        print(f'{machine()}, {torch.get_num_threads()} threads, batch {args.batch}')
        for arch in args.archs:
            for precision in args.precisions:
                rows = results[arch, precision] = measure(arch, precision, args)
                print_rows(f'ViT-{arch.upper()}, {precision}', rows)
                gc.collect()
                for name, row in rows.items():
                    images[f'ViT-{arch.upper()} {precision}: {name}'] = row['images_per_second']
        draw_bars(images, 'images per second', args.out / 'train_step.png')
        named = {f'vit-{arch} {precision}': rows for (arch, precision), rows in results.items()}
        write_results(args.out, 'train_step', {'rows': named}, ratios_of(results))


if __name__ == '__main__':
    main()
