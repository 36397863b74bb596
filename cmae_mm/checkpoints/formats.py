"""The encoder in the names of other programs, and back.

Depth and widths are read from the tensors.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .layer_scales import fold_layer_scales, fold_scale
from .names import (
    ATTENTION_OUT,
    FORMATS,
    MLP_OUT,
    OPENMMLAB,
    STEM,
    TIMM,
    Architecture,
    Naming,
    count_blocks,
    find_encoders,
    read_architecture,
    scale_names,
    tensor_names,
)

# detectron2 puts its ViT under the feature pyramid's 'net'
_PREFIXES = ('', 'backbone.', 'backbone.net.')

# Parts that follow the encoder, left out on import.
_BESIDE = re.compile(r'(mask_token|head|head_drop|fc_norm|ln2|attn_pool|decoder_\w+)(\..*)?')
# Positions inside attention, which this encoder lacks; other programs initialise them to zero.
_RELATIVE = re.compile(r'.*\.(rel_pos_[hw]|relative_position_(bias_table|index))')


class Encoder(NamedTuple):
    """An encoder's tensors in mmpretrain's names.

    Attributes:
        tensors: all of them; ``cls_token`` and ``ln1.*`` may be absent. ``pos_embed`` has shape
            (1, 1 + L, D), or (1, L, D) without a class token.
        format: the recognised format: 'mmpretrain', 'mmseg', 'timm' (MAE's names are the
            same) or 'vitdet'.
        left_out: the checkpoint's other tensors, counted by the first part of their names.
    """

    tensors: dict[str, Tensor]
    format: str
    left_out: dict[str, int]

    @property
    def architecture(self) -> Architecture:
        """Size of the encoder."""
        found = read_architecture(OPENMMLAB, self.tensors)
        assert found is not None  # import_encoder has checked the shapes
        return found

    @property
    def num_patches(self) -> int:
        """Number of patches in the position embedding, L."""
        return self.tensors['pos_embed'].shape[1] - ('cls_token' in self.tensors)

    def __str__(self) -> str:
        side = math.isqrt(self.num_patches)
        parts = [
            str(self.architecture),
            f'positions {side}x{side}'
            if side**2 == self.num_patches
            else f'{self.num_patches} positions',
        ]
        if 'cls_token' not in self.tensors:
            parts.append('no class token')
        if 'ln1.weight' not in self.tensors:
            parts.append('no final norm')
        return ', '.join(parts)


def import_encoder(tensors: dict[str, Tensor]) -> Encoder:
    """Extract the encoder from a checkpoint's tensors, recognising its format by the names.

    Understands every format of :data:`~.names.FORMATS`, also under ``backbone.`` (or
    detectron2's ``backbone.net.``); of a CMAE checkpoint it takes the online encoder. Learnable
    branch scales are multiplied into the layers that they scale, which is exact. Parts that
    follow the encoder (heads, decoders, the norm of averaged tokens) are left out, as are
    relative positions: if those were trained, the features change.

    Args:
        tensors: of a whole checkpoint, by name.

    Raises:
        ValueError: not a Vision Transformer, or one with tensors that are missing, misshapen
            or unknown to mmpretrain's.
    """
    prefix, naming = _recognise(tensors)
    found = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
    found = fold_layer_scales(found)
    left_out = Counter(name.split('.')[0] for name in tensors if not name.startswith(prefix))

    depth = max(count_blocks(naming, found), 1)
    names = {ours: name for ours, name, _ in tensor_names(naming, depth)}
    scales = scale_names(naming, depth)
    if not found.keys() & set(scales.values()):
        scales = {}

    vitdet = naming is TIMM and 'cls_token' not in found and 'norm.weight' not in found
    optional = _optional(found, names, vitdet)
    missing = [
        name
        for name in (*names.values(), *scales.values())
        if name not in found and name not in optional
    ]
    if missing:
        raise ValueError(
            f'{len(missing)} tensors of the Vision Transformer are missing, first '
            f'{prefix}{missing[0]}: another architecture, or a part of a checkpoint '
            f'({depth} blocks)'
        )
    left_out += _left_out(found.keys() - {*names.values(), *scales.values()}, found, prefix)

    encoder = {ours: found[name] for ours, name in names.items() if name in found}
    _require_shapes(encoder, {ours: prefix + name for ours, name in names.items()}, depth)
    if vitdet and _is_square(encoder['pos_embed'].shape[1] - 1):
        # ViTDet keeps the position of the class token, and drops it when it runs
        encoder['pos_embed'] = encoder['pos_embed'][:, 1:]
    elif naming is TIMM and 'cls_token' in encoder:
        _require_class_position(encoder['pos_embed'], prefix)
    for module, name in scales.items():
        fold_scale(encoder, module, found[name], prefix + name)

    if naming is TIMM:
        program = 'vitdet' if vitdet else 'timm'
    else:
        program = 'mmseg' if scales else 'mmpretrain'
    return Encoder(encoder, program, dict(sorted(left_out.items())))


def export_encoder(encoder: Encoder, to: str) -> dict[str, Tensor]:
    """Return the encoder's tensors in the names of another program.

    Args:
        encoder: of :func:`import_encoder`.
        to: one of :data:`~.names.FORMATS`. For 'mmseg' the learnable scales are ones, so that
            features are the same whatever its config starts them from.

    Returns:
        tensors by name; where and how the program wants them is in its :class:`~.names.Format`.

    Raises:
        ValueError: unknown format, or one that cannot hold this encoder.
    """
    if to not in FORMATS:
        raise ValueError(f'unknown format {to!r}: choose from {", ".join(FORMATS)}')
    form = FORMATS[to]
    tensors, depth = dict(encoder.tensors), encoder.architecture.depth
    if form.needs_class_token and 'cls_token' not in tensors:
        raise ValueError(
            f'{to!r} needs a class token, which this encoder ({encoder.format}) does not have: '
            f'choose from {", ".join(f for f in FORMATS if not FORMATS[f].needs_class_token)}'
        )
    if to == 'vitdet':
        tensors['pos_embed'] = _vitdet_positions(encoder)
    exported = {
        form.prefix + name: tensors[ours]
        for ours, name, module in tensor_names(form.naming, depth)
        if ours in tensors and module not in form.lacks
    }
    if form.has_scales:
        for module, name in scale_names(form.naming, depth).items():
            exported[form.prefix + name] = torch.ones_like(tensors[f'{module}.bias'])
    return exported


def _recognise(tensors: dict[str, Tensor]) -> tuple[str, Naming]:
    """Prefix and names of the encoder."""
    encoders = find_encoders(tensors)
    for prefix in _PREFIXES:
        if prefix in encoders:
            return prefix, encoders[prefix]
    raise ValueError(
        f'no Vision Transformer of a known format: found {", ".join(sorted(tensors)[:3])}, ... '
        f'({len(tensors)} tensors), expected {STEM}.weight (mmpretrain, CMAE, mmseg) or '
        f'{TIMM.modules[STEM]}.weight (timm, MAE, ViTDet), alone or after '
        f'{" or ".join(_PREFIXES[1:])}'
    )


def _optional(found: dict[str, Tensor], names: dict[str, str], vitdet: bool) -> set[str]:
    """Names that may be absent: the final norm as a whole, and the class token."""
    norm = {names['ln1.weight'], names['ln1.bias']}
    optional = set() if norm & found.keys() else norm
    positions = found.get(names['pos_embed'])
    # one position per patch: the class token was not lost, there never was one
    if vitdet or (positions is not None and _is_square(positions.shape[-2:-1].numel())):
        optional.add(names['cls_token'])
    return optional


def _left_out(names: set[str], found: dict[str, Tensor], prefix: str) -> Counter:
    """Count what can be left out, by kind; anything else is an error."""
    counts: Counter = Counter()
    for name in sorted(names):
        if _RELATIVE.fullmatch(name):
            trained = not name.endswith('_index') and bool(found[name].any())
            counts['trained relative positions' if trained else 'relative positions'] += 1
        elif _BESIDE.fullmatch(name):
            counts[name.split('.')[0]] += 1
        else:
            raise ValueError(
                f'{prefix}{name} does not belong to a plain Vision Transformer: this is another '
                'architecture, whose features would change without it'
            )
    return counts


def _require_shapes(encoder: dict[str, Tensor], names: dict[str, str], depth: int) -> None:
    """Check that all tensors are of one width.

    Raises:
        ValueError: one is not; the message gives its name in the file.
    """
    stem = tuple(encoder[f'{STEM}.weight'].shape)
    if len(stem) != 4:
        raise ValueError(
            f'{names[f"{STEM}.weight"]} has shape {_shape(stem)}, expected (width, channels, '
            'patch, patch)'
        )
    width = stem[0]
    hidden = encoder['layers.0.ffn.layers.0.0.weight'].shape[:1].numel()
    positions = encoder['pos_embed'].shape[-2:-1].numel()
    modules = {
        STEM: stem,
        'layers.{}.attn.qkv': (3 * width, width),
        ATTENTION_OUT: (width, width),
        'layers.{}.ffn.layers.0.0': (hidden, width),
        MLP_OUT: (width, hidden),
    }
    tokens = {'cls_token': (1, 1, width), 'pos_embed': (1, positions, width)}
    for ours, _, module in tensor_names(OPENMMLAB, depth):
        shape = tokens.get(module) or modules.get(module, (width,))
        expected = shape[:1] if ours.endswith('.bias') else shape
        if ours in encoder and tuple(encoder[ours].shape) != expected:
            raise ValueError(
                f'{names[ours]} has shape {_shape(encoder[ours].shape)}, expected '
                f'{_shape(expected)}: {names[f"{STEM}.weight"]} is of width {width}'
            )


def _require_class_position(positions: Tensor, prefix: str) -> None:
    """Refuse timm's models whose class token has no position (no_embed_class)."""
    count = positions.shape[1]
    if _is_square(count) and not _is_square(count - 1):
        raise ValueError(
            f'{prefix}pos_embed has {count} positions, the class token seems to have none '
            '(no_embed_class): expected one more than there are patches'
        )


def _vitdet_positions(encoder: Encoder) -> Tensor:
    """Shape (1, 1 + L, D), the class token's first, which ViTDet drops when it runs."""
    positions = encoder.tensors['pos_embed']
    if not _is_square(encoder.num_patches):
        raise ValueError(
            f"'vitdet' takes the position embedding of a square grid, this one is for "
            f'{encoder.num_patches} patches'
        )
    if 'cls_token' in encoder.tensors:
        return positions
    return torch.cat((torch.zeros_like(positions[:, :1]), positions), dim=1)


def _is_square(number: int) -> bool:
    return number > 0 and math.isqrt(number) ** 2 == number


def _shape(shape: Iterable[int]) -> str:
    return f'({", ".join(map(str, shape))})'
