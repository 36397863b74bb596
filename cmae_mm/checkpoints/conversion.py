"""Converting the file of an encoder."""

from collections import Counter
from pathlib import Path

from torch import Tensor

from .formats import Encoder, export_encoder, import_encoder
from .hybrid import (
    describe_hybrid,
    export_convmae,
    hybrid_prefix,
    import_convmae,
    is_convmae,
    tensor_names,
)
from .names import FORMATS
from .reading import load_state_dict
from .released import convert_released
from .writing import require_target, save_tensors


def convert_file(
    source: str | Path,
    target: str | Path,
    to: str | None = None,
    published: bool = False,
    keep_channels: bool = False,
) -> str:
    """Write the encoder of a checkpoint in another program's names.

    Args:
        source: a checkpoint that :func:`~.formats.import_encoder` knows, or one of the
            released CMAE code.
        target: file to write, ``.pth`` or ``.safetensors``.
        to: one of :data:`~.names.FORMATS`, or 'convmae' for a hybrid encoder; None means 'cmae'
            for another program's checkpoint, and is an error for one of mmpretrain or of this
            package.
        published: ``source`` is of the released CMAE code; 'cmae' then also carries its
            decoders, projectors and target.
        keep_channels: see ``fold_channels`` of :func:`~.released.convert_released`.

    Returns:
        one line that says what was written and what was left out.

    Raises:
        FileNotFoundError: no such file, or no folder to write to.
        OSError: the file can't be written.
        ValueError: not a checkpoint of a known format, or one that can't be converted so.
    """
    require_target(Path(target))
    if Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
        raise ValueError(f'{str(target)!r} is the checkpoint itself, which would be lost')
    if keep_channels and not published:
        raise ValueError(
            '--keep-channels needs --from published: other encoders keep their channels anyway'
        )
    found = load_state_dict(source)
    if not published and (is_convmae(found) or hybrid_prefix(found) is not None):
        return _convert_hybrid(found, target, to)
    tensors = convert_released(found, fold_channels=not keep_channels) if published else found
    if to == 'convmae':
        raise ValueError("'convmae' holds hybrid encoders, this is a plain Vision Transformer")
    encoder = import_encoder(tensors)
    to = to or _default_format(encoder, published)
    left_out = Counter(
        _part(n) for n in found if n not in tensors and f'backbone.{n}' not in tensors
    )
    if published and to == 'cmae':
        written = tensors
        what = f'{len(written)} tensors as cmae, {len(encoder.tensors)} of them of the encoder'
    else:
        written = export_encoder(encoder, to)
        left_out.update(encoder.left_out)
        left_out.update(_part(n) for n in encoder.tensors if _part(n) in FORMATS[to].lacks)
        what = f'{len(written)} tensors as {to}'
    save_tensors(target, written, FORMATS[to].container)
    channels = f'; it takes {"BGR" if keep_channels else "RGB"}' if published else ''
    return f'{target}: {what} ({encoder}){channels}; left out: {_listed(left_out)}'


def _convert_hybrid(found: dict[str, Tensor], target: str | Path, to: str | None) -> str:
    """Convert a hybrid encoder between our names and ConvMAE's; see :func:`convert_file`."""
    prefix = hybrid_prefix(found) or ''
    if is_convmae(found):
        encoder, kept = import_convmae(found), set(tensor_names(found, of=0))
    elif to is None:
        raise ValueError(
            'a hybrid encoder in the names of this package: choose others with --to convmae'
        )
    else:
        encoder = {name[len(prefix) :]: t for name, t in found.items() if name.startswith(prefix)}
        kept = {prefix + name for name in encoder}
    to = to or 'cmae'
    if to == 'convmae':
        container: str | None = 'model'
        written = export_convmae(encoder)
    elif to in ('cmae', 'mmpretrain'):
        container = FORMATS[to].container
        written = {FORMATS[to].prefix + name: tensor for name, tensor in encoder.items()}
    else:
        raise ValueError(
            f"{to!r} holds plain Vision Transformers, this is a hybrid encoder: choose 'cmae', "
            "'mmpretrain' or 'convmae'"
        )
    save_tensors(target, written, container)
    left_out = Counter(_part(name) for name in found if name not in kept)
    return (
        f'{target}: {len(written)} tensors as {to} ({describe_hybrid(encoder)}); '
        f'left out: {_listed(left_out)}'
    )


def _listed(counts: Counter) -> str:
    return ', '.join(f'{part} {count}' for part, count in sorted(counts.items())) or 'nothing'


def _default_format(encoder: Encoder, published: bool) -> str:
    """The names of this package, unless the encoder has them already."""
    if encoder.format == 'mmpretrain' and not published:
        raise ValueError(
            'the names are already those of mmpretrain and of this package: choose others with '
            f'--to {"|".join(FORMATS)}, or --from published if it is of the released CMAE code'
        )
    return 'cmae'


def _part(name: str) -> str:
    return name.split('.')[0]
