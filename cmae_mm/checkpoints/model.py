"""Loading a checkpoint of a whole model."""

from collections import Counter
from pathlib import Path

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from .layer_scales import fold_layer_scales
from .names import OPENMMLAB, count_blocks
from .reading import load_state_dict

_ENCODERS = ('backbone.', 'target_backbone.')


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model itself, without wrappers for several ranks or test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def load_weights(model: nn.Module, tensors: dict[str, Tensor]) -> str:
    """Load the tensors a checkpoint shares with a model; the others keep their initial values.

    Layer scales of an encoder that the model's does not have are folded into its layers.

    Args:
        model: possibly wrapped for several ranks.
        tensors: of the checkpoint, by name.

    Returns:
        how many tensors of each part of the model were loaded, and how many tensors of
        the checkpoint were not used.
    """
    model = unwrap(model)
    for encoder in _ENCODERS:
        tensors = _fold_scales(encoder, tensors, model.state_dict())
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    total, left_new, unused = (
        # except batch norm's counters, which torch adds where they are missing
        Counter(name.split('.')[0] for name in names if not name.endswith('batches_tracked'))
        for names in (model.state_dict(), missing, unexpected)
    )
    report = ', '.join(f'{part} {total[part] - left_new[part]}/{total[part]}' for part in total)
    listed = ', '.join(f'{part} ({count})' for part, count in unused.items())
    return f'{report} tensors loaded' + (f', not used: {listed}' if listed else '')


def _fold_scales(encoder: str, tensors: dict[str, Tensor], expected: dict) -> dict[str, Tensor]:
    folded = fold_layer_scales(_under(encoder, tensors), _under(encoder, expected))
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(encoder)}
    return {**others, **{encoder + name: tensor for name, tensor in folded.items()}}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def require_fit(path: str | Path, model: nn.Module, whole: bool) -> None:
    """Check that a checkpoint belongs to this model before it is loaded.

    mmengine loads what fits and only logs the rest, so that a run may silently start from
    random weights.

    Args:
        path: of the checkpoint.
        model: the model, possibly wrapped for several ranks or for test-time augmentation.
        whole: require exactly the model's tensors (to resume a run); False allows missing
            and unexpected ones (to start from another model's encoder).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, or one of another size or program.
    """
    found = load_state_dict(path)
    expected = unwrap(model).state_dict()
    common = expected.keys() & found.keys()
    for name in sorted(common):
        if found[name].shape != expected[name].shape:
            raise ValueError(
                f'{str(path)!r} is of another size: {name} has shape '
                f'{tuple(found[name].shape)}, the model expects {tuple(expected[name].shape)}; '
                'use the config that it was trained with'
            )
    depths = [count_blocks(OPENMMLAB, _under('backbone.', each)) for each in (found, expected)]
    if all(depths) and depths[0] != depths[1]:
        raise ValueError(
            f'{str(path)!r} has an encoder of {depths[0]} blocks, the model one of {depths[1]}: '
            'use the config that it was trained with'
        )
    missing, unexpected = (
        ', '.join(sorted(names)[:1]) or 'none'
        for names in (expected.keys() - common, found.keys() - common)
    )
    if not common or (whole and found.keys() != expected.keys()):
        raise ValueError(
            f'{str(path)!r} is of another program or model: {len(common)} of {len(expected)} '
            f'tensors found; first missing: {missing}, first unexpected: {unexpected}'
        )
