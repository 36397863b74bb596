#!/usr/bin/env python
"""Time the hybrid encoder on visible places beside maps of all places, multiplied with the mask.

python tools/benchmarks/hybrid.py [--arch b] [--batch 8] [--precision float32]

Maps are the released code's way. Forward and backward pass of the encoder, and of its stages of
convolutions alone, at 75 % masked. All take turns, and the best of several rounds counts. Runs on
the GPU if there is one.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from report import Ratio, draw_bars, machine, write_results
from torch import Tensor
from train_step import DEVICE, seconds

from cmae_mm.compat import quiet_log
from cmae_mm.cpu import keep_freed_memory, use_fastest_layers
from cmae_mm.engine.errors import one_line_errors
from cmae_mm.models import CMAEViT, HybridViT
from cmae_mm.models.backbones import conv_patch_embed
from cmae_mm.models.utils import PatchMask
from cmae_mm.models.utils.encoder_layer import select

VITS = {'s': 'deit-s', 'b': 'b', 'l': 'l'}


class MaskedMaps(conv_patch_embed.Places):
    """All places, those of removed tokens set to 0 where a convolution looks at them."""

    def __init__(self, grid: tuple[int, int], side: int, tokens: Tensor) -> None:
        super().__init__(grid, side)
        visible = torch.zeros(len(tokens), grid[0] * grid[1], device=tokens.device)
        visible = visible.scatter(1, tokens, 1.0).unflatten(1, (1, *grid))
        self.visible = visible.repeat_interleave(side, 2).repeat_interleave(side, 3)

    def spread(self, x: Tensor) -> Tensor:
        return super().spread(x) * self.visible


def stages_by_maps(encoder: HybridViT, images: Tensor, visible: Tensor) -> tuple:
    """Tokens of all patches, (N, L, D), and the stages' outputs."""
    with mock.patch.object(conv_patch_embed, 'Places', MaskedMaps):
        tokens, _, stages = encoder.patch_embed.stages(images, visible)
    return tokens, stages


def encode_by_maps(encoder: HybridViT, images: Tensor, patch_mask: PatchMask) -> Tensor:
    """What ``encode_visible`` gives, by maps."""
    visible = patch_mask.ids_keep
    tokens, stages = stages_by_maps(encoder, images, visible)
    x = select(tokens + encoder.pos_embed, visible)
    for layer in encoder.layers:
        x = layer(x)
    for conv, stage in zip(encoder.fusion, stages):
        x = x + select(stage.places.reduce(conv, stage.features), visible)
    return encoder.ln1(x)


def ways(arch: str, images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """What is timed, by name; each returns a tensor to differentiate."""
    torch.manual_seed(0)
    with quiet_log():
        hybrid, vit = HybridViT(arch), CMAEViT(VITS[arch])
        for encoder in (hybrid, vit):
            encoder.init_weights()
            encoder.to(DEVICE).train()
            use_fastest_layers(encoder)
    masks = {e: e.masking(e.masking.noise(len(images), DEVICE)) for e in (hybrid, vit)}
    visible = masks[hybrid].ids_keep
    found = hybrid.encode_visible(images, masks[hybrid])
    torch.testing.assert_close(found, encode_by_maps(hybrid, images, masks[hybrid]))
    return {
        'hybrid, visible places': lambda: hybrid.encode_visible(images, masks[hybrid]),
        'hybrid, maps': lambda: encode_by_maps(hybrid, images, masks[hybrid]),
        'its stages, visible places': lambda: hybrid.patch_embed.stages(images, visible)[0],
        'its stages, maps': lambda: stages_by_maps(hybrid, images, visible)[0],
        'ViT, visible patches': lambda: vit.encode_visible(images, masks[vit]),
        'hybrid, whole images': lambda: hybrid(images)[-1],
        'ViT, whole images': lambda: vit(images)[-1],
    }


def differentiate(way: Callable[[], Tensor], precision: str) -> None:
    """Make a forward and a backward pass."""
    dtype = getattr(torch, precision)
    with torch.autocast(DEVICE, dtype, enabled=dtype != torch.float32):
        out = way()
    out.float().square().mean().backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--arch', choices=VITS, default='b')
    parser.add_argument('--batch', type=int, default=8 if DEVICE == 'cpu' else 128)
    parser.add_argument('--precision', choices=['float32', 'bfloat16'], default='float32')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmarks'))
    args = parser.parse_args()
    keep_freed_memory()  # as SafeRunner does
    with one_line_errors():
        print(f'{machine()}, {torch.get_num_threads()} threads, batch {args.batch}')
        images = torch.randn(args.batch, 3, 224, 224, device=DEVICE)
        cases = ways(args.arch, images)
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(1 + args.rounds):
            for name, way in cases.items():
                times[name].append(seconds(differentiate, way, args.precision))
        best = {name: min(rounds[1:]) for name, rounds in times.items()}  # the first warms up
        for name, value in best.items():
            print(f'{name:32}{value:8.3f} s')
        draw_bars(best, 'seconds, forward and backward', args.out / 'hybrid.png')
        ratios = [
            Ratio(
                f'speed / maps: {part}',
                best[f'{part}, maps'] / best[f'{part}, visible places'],
                limit,
            )
            for part, limit in (('hybrid', 1.5), ('its stages', 2.0))
        ]
        write_results(args.out, 'hybrid', {'seconds': best}, ratios)


if __name__ == '__main__':
    main()
