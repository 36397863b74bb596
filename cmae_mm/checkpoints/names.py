"""The encoder's tensor names in each program.

The names of mmpretrain's ``VisionTransformer``, which this package shares, are the keys of the
tables.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

TOKENS = ('cls_token', 'pos_embed')  # tensors; all other entries are modules of weight and bias
STEM = 'patch_embed.projection'
ATTENTION_OUT, MLP_OUT = 'layers.{}.attn.proj', 'layers.{}.ffn.layers.1'


class Naming(NamedTuple):
    """A program's names, keyed by mmpretrain's; ``{}`` is the number of a block.

    Attributes:
        modules: names of the encoder's modules.
        scales: names of the learnable scales of a block's branches, which mmpretrain's encoder
            lacks, keyed by the module whose output they scale.
        blocks: name of the list of blocks.
    """

    modules: dict[str, str]
    scales: dict[str, str]
    blocks: str


TIMM = Naming(
    modules={
        'cls_token': 'cls_token',
        'pos_embed': 'pos_embed',
        STEM: 'patch_embed.proj',
        'layers.{}.ln1': 'blocks.{}.norm1',
        'layers.{}.attn.qkv': 'blocks.{}.attn.qkv',
        ATTENTION_OUT: 'blocks.{}.attn.proj',
        'layers.{}.ln2': 'blocks.{}.norm2',
        'layers.{}.ffn.layers.0.0': 'blocks.{}.mlp.fc1',
        MLP_OUT: 'blocks.{}.mlp.fc2',
        'ln1': 'norm',
    },
    scales={ATTENTION_OUT: 'blocks.{}.ls1.gamma', MLP_OUT: 'blocks.{}.ls2.gamma'},
    blocks='blocks',
)
OPENMMLAB = Naming(
    modules={name: name for name in TIMM.modules},
    scales={ATTENTION_OUT: 'layers.{}.gamma_1', MLP_OUT: 'layers.{}.gamma_2'},  # mmseg's
    blocks='layers',
)


class Format(NamedTuple):
    """How a program names and stores the encoder.

    Attributes:
        naming: its names.
        prefix: of every name.
        container: key of the ``.pth`` under which the tensors are; None if the file is their
            dict.
        lacks: modules that the program does not have.
        has_scales: whether it has the learnable scales and initialises them from its config.
        needs_class_token: whether its encoder always has a class token.
    """

    naming: Naming
    prefix: str = ''
    container: str | None = None
    lacks: tuple[str, ...] = ()
    has_scales: bool = False
    needs_class_token: bool = False


FORMATS = {
    # mmpretrain.VisionTransformer
    'mmpretrain': Format(OPENMMLAB),
    # this package: a whole model's names, of its online encoder
    'cmae': Format(OPENMMLAB, prefix='backbone.', container='state_dict'),
    # mmsegmentation's MAE backbone, whose own loader ignores prefixes and containers
    'mmseg': Format(OPENMMLAB, has_scales=True, needs_class_token=True),
    # ViT of detectron2 and of mmdetection's projects/ViTDet, which reads nothing but 'model'
    'vitdet': Format(TIMM, container='model', lacks=('cls_token', 'ln1')),
    # timm's vit_*_patch16
    'timm': Format(TIMM, needs_class_token=True),
    # facebookresearch/mae
    'mae': Format(TIMM, container='model', needs_class_token=True),
}


def tensor_names(naming: Naming, depth: int) -> Iterable[tuple[str, str, str]]:
    """Yield (our name, their name, our module) for every tensor of ``depth`` blocks."""
    for ours, theirs in naming.modules.items():
        for n in range(depth if '{}' in ours else 1):
            for part in ('',) if ours in TOKENS else ('.weight', '.bias'):
                yield ours.format(n) + part, theirs.format(n) + part, ours


def scale_names(naming: Naming, depth: int) -> dict[str, str]:
    """Return the names of the scales, keyed by our module that they scale."""
    return {
        ours.format(n): name.format(n) for ours, name in naming.scales.items() for n in range(depth)
    }


def count_blocks(naming: Naming, names: Iterable[str]) -> int:
    """Count blocks by the highest number, so that a gap shows up as missing tensors."""
    numbers = (re.match(rf'{naming.blocks}\.(\d+)\.', name) for name in names)
    return max((int(number[1]) + 1 for number in numbers if number), default=0)


class Architecture(NamedTuple):
    """Size of an encoder, read from its tensors.

    Attributes:
        width: of a token, D.
        depth: number of blocks.
        patch_size: (height, width) in pixels.
        channels: of the images.
    """

    width: int
    depth: int
    patch_size: tuple[int, int]
    channels: int

    def __str__(self) -> str:
        height, width = self.patch_size
        patch = f'{height}' if height == width else f'{height}x{width}'
        return f'width {self.width}, depth {self.depth}, patch {patch}, {self.channels} channels'


def read_architecture(naming: Naming, tensors: dict[str, Tensor]) -> Architecture | None:
    """Return the size of the encoder that the tensors make up, None without a patch embedding.

    Args:
        naming: the names that the tensors have, without a prefix.
        tensors: of the encoder.
    """
    stem = tensors.get(f'{naming.modules[STEM]}.weight')
    if stem is None or stem.ndim != 4:
        return None
    width, channels, *patch_size = stem.shape
    return Architecture(width, count_blocks(naming, tensors), tuple(patch_size), channels)


def find_encoders(names: Iterable[str]) -> dict[str, Naming]:
    """Return the naming of each encoder among a checkpoint's names, by its prefix.

    An encoder is recognised by its patch embedding.
    """
    stems = {f'{naming.modules[STEM]}.weight': naming for naming in (OPENMMLAB, TIMM)}
    return {
        name.removesuffix(stem): naming
        for name in names
        for stem, naming in stems.items()
        if name == stem or name.endswith(f'.{stem}')
    }
