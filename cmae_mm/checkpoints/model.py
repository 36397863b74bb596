"""Loading a checkpoint of a whole model."""

import re
from collections import Counter
from pathlib import Path

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from .layer_scales import fold_layer_scales
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
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(encoder)}
    kept = {name.removeprefix(encoder) for name in expected}
    folded = fold_layer_scales({n.removeprefix(encoder): t for n, t in own.items()}, kept)
    others = {name: tensor for name, tensor in tensors.items() if name not in own}
    return {**others, **{encoder + name: tensor for name, tensor in folded.items()}}


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
    depths = _depth(found), _depth(expected)
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


def _depth(tensors: dict[str, Tensor]) -> int:
    """Number of Transformer blocks under ``backbone.``; 0 if it has none."""
    found = (re.match(r'backbone\.layers\.(\d+)\.', name) for name in tensors)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
