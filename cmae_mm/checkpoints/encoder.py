"""Loading a pre-trained encoder into a model and accounting for every tensor."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from .hybrid import describe_hybrid, is_convmae
from .layer_scales import fold_layer_scales
from .names import OPENMMLAB, TIMM, find_encoders, read_architecture
from .reading import load_state_dict

# Tensors that a task may add to the encoder or omit, by their name in the report.
_ADDED = {'rel_pos': r'layers\.\d+\.attn\.rel_pos_[hw]', 'ln2': r'ln2\.\w+'}
_SPARED = {
    'cls_token': 'cls_token',
    'ln1': r'ln1\.\w+',
    'ln2': r'ln2\.\w+',
    'fusion': r'fusion\.\d+\.\w+',  # of a hybrid encoder's stages, for reconstruction
}
# All but the pre-training heads of CMAE and MoCo v3 (predictor) and MimCo (patch, image).
_TASK_HEADS = r'(\w+_)?head\.(?!predictor\.|(patch|image)[._])'


class LoadReport(NamedTuple):
    """What was loaded into an encoder, and what was not.

    Attributes:
        loaded: number of tensors taken from the checkpoint.
        expected: number of tensors a checkpoint can have: all but those that the task added.
        resized: (rows, columns) of the position embedding in the checkpoint and in the
            encoder, if they differ.
        new: tensors that keep their initial values, counted by kind.
        unused: tensors of the checkpoint's encoder that this encoder lacks, counted by kind.
        folded: number of layer scales that were folded into the layers that they scale, since
            this encoder has none.
    """

    loaded: int
    expected: int
    resized: tuple[tuple[int, int], tuple[int, int]] | None
    new: dict[str, int]
    unused: dict[str, int]
    folded: int = 0

    def __str__(self) -> str:
        parts = [f'{self.loaded}/{self.expected} encoder tensors']
        if self.resized:
            there, here = ('x'.join(map(str, grid)) for grid in self.resized)
            parts.append(f'pos_embed resized {there} -> {here}')
        if self.folded:
            parts.append(f'{self.folded} layer scales folded into the layers that they scale')
        for label, counts in (('newly initialised', self.new), ('not used', self.unused)):
            if counts:
                listed = ', '.join(f'{kind} ({count})' for kind, count in counts.items())
                parts.append(f'{label}: {listed}')
        return ', '.join(parts)


def load_encoder(
    encoder: nn.Module,
    checkpoint: str | Path,
    prefix: str = 'backbone.',
    grid: tuple[int, int] | None = None,
) -> LoadReport:
    """Load the whole encoder of a checkpoint, or raise.

    Args:
        encoder: any mmpretrain backbone; the position embedding of a
            VisionTransformer is resized bicubically to its ``patch_resolution``.
        checkpoint: path of a ``.pth`` or ``.safetensors`` in mmpretrain's names.
        prefix: of the encoder's tensors in the checkpoint.
        grid: (rows, columns) of the position embedding in the checkpoint; None assumes a
            square, or the encoder's own grid if the number of positions is not square, and is an
            error if both are possible.

    Returns:
        what was loaded, resized, newly initialised and not used.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, a fine-tuned model, nothing under the prefix, or tensors
            that are missing, misshapen or unknown.
    """
    if not checkpoint:
        raise ValueError(
            'no checkpoint given: --cfg-options model.backbone.init_cfg.checkpoint=PATH, or '
            'model.backbone.init_cfg=None to start from random weights'
        )
    tensors, source = load_state_dict(checkpoint), repr(str(checkpoint))
    require_pretrained(tensors, source)
    return load_encoder_tensors(encoder, tensors, source, prefix, grid)


def load_encoder_tensors(
    encoder: nn.Module,
    tensors: dict[str, Tensor],
    source: str,
    prefix: str = 'backbone.',
    grid: tuple[int, int] | None = None,
) -> LoadReport:
    """Load an encoder as :func:`load_encoder` does, from tensors, even of a fine-tuned model.

    Args:
        encoder, prefix, grid: as there.
        tensors: of a whole checkpoint, by name.
        source: where they come from, for error messages.

    Raises:
        ValueError: as there.
    """
    expected = encoder.state_dict()
    stored = _under(prefix, tensors, expected.keys(), source)
    found = fold_layer_scales(stored, kept=expected)
    # another encoder's position embedding differs too, but its architecture is what to report
    same = _architecture(found) == _architecture(expected)
    resized = _fit_position_embedding(found, encoder, source, grid) if same else None
    kinds = {name: _kind(name, _ADDED) for name in expected.keys() - found.keys()}
    spare = {name: _kind(name, _SPARED) for name in found.keys() - expected.keys()}
    wrong = sorted(
        {name for name, kind in {**kinds, **spare}.items() if not kind}
        | {n for n in expected.keys() & found.keys() if expected[n].shape != found[n].shape}
    )
    if wrong:
        raise ValueError(_misfit(wrong, expected, found, source, prefix, tensors))
    encoder.load_state_dict({**expected, **{n: found[n] for n in expected if n in found}})
    return LoadReport(
        loaded=len(expected) - len(kinds),
        expected=len(expected) - len(kinds),
        resized=resized,
        new=dict(sorted(Counter(kinds.values()).items())),
        unused=dict(sorted(Counter(spare.values()).items())),
        folded=len(stored) - len(found),
    )


def require_pretrained(tensors: dict[str, Tensor], source: str) -> None:
    """Refuse the checkpoint of a downstream model.

    Raises:
        ValueError: it has the head of a classifier, a segmentor or a detector.
    """
    heads = sorted({name.split('.')[0] for name in tensors if re.match(_TASK_HEADS, name)})
    if heads:
        raise ValueError(
            f'{source} is a fine-tuned model (it has a {heads[0]}), expected a pre-trained one; '
            'to start from fine-tuned weights anyway, extract its encoder first: '
            'tools/convert_checkpoint.py'
        )


def _under(prefix: str, tensors: dict, expected: Iterable[str], source: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it, if they include expected ones."""
    found = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
    namings, convmae = find_encoders(tensors), is_convmae(tensors)
    if found.keys() & expected and namings.get(prefix) is not TIMM and not convmae:
        return found
    if convmae:
        advice = 'its names are those of ConvMAE: tools/convert_checkpoint.py first'
    elif TIMM in namings.values():
        advice = 'its names are those of timm, MAE or ViTDet: tools/convert_checkpoint.py first'
    else:
        advice = _likely_prefix(tensors) or 'expected names of mmpretrain or of this package'
    raise ValueError(
        f'{source} has no tensors named {f"{prefix}*" if prefix else "as an encoder has"}, found '
        f'{next(iter(tensors))!r} and {len(tensors) - 1} others: {advice}'
    )


def _likely_prefix(tensors: dict[str, Tensor], besides: str | None = None) -> str:
    prefixes = {p for p, naming in find_encoders(tensors).items() if naming is OPENMMLAB}
    listed = ' or '.join(map(repr, sorted(prefixes - {besides}, key=len)))
    return f'the likely prefix is {listed}' if listed else ''


def _fit_position_embedding(
    found: dict[str, Tensor], encoder: nn.Module, source: str, grid: tuple[int, int] | None
) -> tuple | None:
    """Resize it in place among the tensors; return both grids if they differ."""
    here = getattr(encoder, 'patch_resolution', None)
    if 'pos_embed' not in found or here is None:
        return None
    extra = int('cls_token' in found)
    patches = found['pos_embed'].shape[1] - extra
    side = math.isqrt(patches)
    advice = 'use the config that it was trained with'
    if grid is None:
        if side**2 == patches == here[0] * here[1] and tuple(here) != (side, side):
            raise ValueError(
                f'{source} has a position embedding of {patches} patches, which may be of '
                f'{side}x{side} or of {here[0]}x{here[1]}: give its shape, '
                "init_cfg=dict(type='Pretrained', grid=(rows, columns), ...)"
            )
        grid = (side, side) if side**2 == patches else tuple(here)
        advice = "give its shape, init_cfg=dict(type='Pretrained', grid=(rows, columns), ...)"
    if grid[0] * grid[1] != patches:
        raise ValueError(
            f'{source} has a position embedding of {patches} patches, not of '
            f'{grid[0]}x{grid[1]}: {advice}'
        )
    resized = resize_pos_embed(found['pos_embed'], grid, here, 'bicubic', extra)
    found['pos_embed'] = resized[:, extra - encoder.num_extra_tokens :] if extra else resized
    return None if tuple(grid) == tuple(here) else (tuple(grid), tuple(here))


def _kind(name: str, kinds: dict[str, str]) -> str:
    return next((kind for kind, names in kinds.items() if re.fullmatch(names, name)), '')


def _misfit(
    wrong: list[str], expected: dict, found: dict, source: str, prefix: str, tensors: dict
) -> str:
    """Describe what does not fit, and both architectures."""
    first = wrong[0]
    text = (
        f'{source} does not fit the encoder in {len(wrong)} tensors, first {prefix}{first}: found '
        f'{_shape(found.get(first))}, expected {_shape(expected.get(first))}'
    )
    there, here = _architecture(found), _architecture(expected)
    if there != here:
        return f"{text}; it has {there}, the config's encoder {here}"
    hint = _likely_prefix(tensors, besides=prefix)
    return f'{text}; {hint}' if first not in found and hint else text


def _architecture(tensors: dict[str, Tensor]) -> str:
    known = read_architecture(OPENMMLAB, tensors) or describe_hybrid(tensors)
    return str(known or f'{len(tensors)} tensors')


def _shape(tensor: Tensor | None) -> str:
    return 'none' if tensor is None else f'({", ".join(map(str, tensor.shape))})'
