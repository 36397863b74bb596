"""The hybrid encoder's tensors, in our names and in those of the released ConvMAE code.

The encoder is a Vision Transformer whose patch embedding is convolutions: layers and norms have the
host's names, as in every encoder of this package, and the stages are in ``patch_embed``. The
released code (github.com/Alpha-VL/ConvMAE at 4c97b4c) has other names, and convolutions of 1x1 for
what are linear layers here.
"""

import itertools
import math
import re
from collections.abc import Iterable

from torch import Tensor

from .names import OPENMMLAB, count_blocks

# released module -> ours; {} is the number of a block
_BLOCK = {
    'norm1': 'ln1',
    'norm2': 'ln2',
    'mlp.fc1': 'ffn.layers.0.0',
    'mlp.fc2': 'ffn.layers.1',
}
_TRANSFORMER_BLOCK = {**_BLOCK, 'attn.qkv': 'attn.qkv', 'attn.proj': 'attn.proj'}
_CONV_BLOCK = {
    **_BLOCK,
    'conv1': 'attn.conv1',
    'attn': 'attn.depthwise',
    'conv2': 'attn.conv2',
}
_MODULES = {
    'pos_embed': 'pos_embed',
    **{
        f'patch_embed{number}.{part}': f'patch_embed.embeds.{number - 1}.{part}'
        for number in (1, 2, 3)
        for part in ('proj', 'norm')
    },
    'patch_embed4': 'patch_embed.linear',
    **{
        f'blocks{number}.{{}}.{theirs}': f'patch_embed.blocks.{number - 1}.{{}}.{ours}'
        for number in (1, 2)
        for theirs, ours in _CONV_BLOCK.items()
    },
    **{
        f'blocks3.{{}}.{theirs}': f'layers.{{}}.{ours}'
        for theirs, ours in _TRANSFORMER_BLOCK.items()
    },
    'norm': 'ln1',
    'fc_norm': 'ln2',
    'stage1_output_decode': 'fusion.0',
    'stage2_output_decode': 'fusion.1',
}
_OPTIONAL = ('norm.', 'fc_norm.', 'stage1_output_decode.', 'stage2_output_decode.')
_STEM, _OUR_STEM = 'patch_embed1.proj.weight', 'patch_embed.embeds.0.proj.weight'
# Parts that follow the encoder.
_BESIDE = re.compile(r'(mask_token|decoder_\w+|head)(\..*)?')


def is_convmae(names: Iterable[str]) -> bool:
    """Whether a checkpoint has the names of the released ConvMAE code."""
    return _STEM in names


def hybrid_prefix(names: Iterable[str]) -> str | None:
    """Return the prefix of our hybrid encoder among a checkpoint's names, None without one."""
    found = [name.removesuffix(_OUR_STEM) for name in names if name.endswith(_OUR_STEM)]
    return min(found, key=len) if found else None  # of a CMAE the online encoder's


def describe_hybrid(tensors: dict[str, Tensor]) -> str | None:
    """Say how large our hybrid encoder is, None if the tensors are not those of one.

    Args:
        tensors: of the encoder, without a prefix.
    """
    if _OUR_STEM not in tensors:
        return None
    embeds, numbers = [], itertools.count()
    while (weight := tensors.get(f'patch_embed.embeds.{next(numbers)}.proj.weight')) is not None:
        embeds.append(weight)
    *stages, width = (len(weight) for weight in embeds)
    patch = math.prod(weight.shape[-1] for weight in embeds)
    return (
        f'stages of convolutions of width {" and ".join(map(str, stages))}, then width {width}, '
        f'depth {count_blocks(OPENMMLAB, tensors)}, patch {patch}, {embeds[0].shape[1]} channels'
    )


def tensor_names(tensors: Iterable[str], of: int) -> dict[str, str]:
    """Our name of every tensor of an encoder with as many blocks as ``tensors`` have, by theirs.

    Args:
        tensors: names of the encoder.
        of: whose names those are: 0, the released, or 1, ours.
    """
    names = {}
    for pair in _MODULES.items():
        numbers = (re.match(pair[of].replace('{}', r'(\d+)') + r'\b', name) for name in tensors)
        depth = max((int(n[1]) + 1 for n in numbers if n), default=0) if '{}' in pair[of] else 1
        for part in ('',) if pair[0] == 'pos_embed' else ('.weight', '.bias'):
            names.update({pair[0].format(n) + part: pair[1].format(n) + part for n in range(depth)})
    return names


def import_convmae(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder of a released ConvMAE checkpoint in our names, without a prefix.

    The fusion of the stages, which pre-training alone has, is taken along; parts that follow
    the encoder are left out.

    Args:
        tensors: of a whole checkpoint, by name.

    Raises:
        ValueError: tensors of the encoder are missing, or others unknown.
    """
    names = tensor_names(tensors, of=0)
    missing = [name for name in names if name not in tensors and not name.startswith(_OPTIONAL)]
    if missing:
        raise ValueError(
            f'{len(missing)} tensors of the hybrid encoder are missing, first {missing[0]}: '
            'a part of a checkpoint, or another architecture'
        )
    unknown = [name for name in tensors if name not in names and not _BESIDE.fullmatch(name)]
    if unknown:
        raise ValueError(
            f'{unknown[0]} does not belong to the encoder of ConvMAE: this is another '
            'architecture, whose features would change without it'
        )
    return {
        ours: tensors[name].flatten(1) if _is_product(ours) else tensors[name]
        for name, ours in names.items()
        if name in tensors
    }


def export_convmae(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`import_convmae`.

    Args:
        tensors: of our hybrid encoder, without a prefix.

    Raises:
        ValueError: an encoder with tensors that the released code lacks, such as a third stage.
    """
    names = {ours: name for name, ours in tensor_names(tensors, of=1).items()}
    unknown = [name for name in tensors if name not in names]
    if unknown:
        raise ValueError(
            f'the released ConvMAE code has no place for {unknown[0]}: it has two stages and no '
            'relative positions'
        )
    return {
        names[ours]: tensor[..., None, None] if _is_product(ours) else tensor
        for ours, tensor in tensors.items()
    }


def _is_product(ours: str) -> bool:
    """Whether a tensor is the weight of a linear layer here, of a 1x1 convolution there."""
    in_stage = ours.startswith('patch_embed.blocks.') and ours.endswith('.weight')
    return in_stage and re.search(r'\.(conv\d|ffn\..*)\.weight', ours) is not None
