"""Loading a checkpoint of a whole model."""

from collections import Counter
from pathlib import Path

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from .reading import load_state_dict


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without what wraps it for several ranks or test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def load_weights(model: nn.Module, tensors: dict[str, Tensor]) -> str:
    """Load what a checkpoint has of a model; the rest keeps its initial values.

    Args:
        model: perhaps wrapped for several ranks.
        tensors: of the checkpoint, by name.

    Returns:
        how many tensors of each part of the model were loaded, and how many tensors of
        the checkpoint were not used.
    """
    model = unwrap(model)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    total, left_new, unused = (
        # but for counters of batch norm, which torch adds where they are missing
        Counter(name.split('.')[0] for name in names if not name.endswith('batches_tracked'))
        for names in (model.state_dict(), missing, unexpected)
    )
    report = ', '.join(f'{part} {total[part] - left_new[part]}/{total[part]}' for part in total)
    listed = ', '.join(f'{part} ({count})' for part, count in unused.items())
    return f'{report} tensors loaded' + (f', not used: {listed}' if listed else '')


def require_fit(path: str | Path, model: nn.Module, whole: bool) -> None:
    """Check that a checkpoint is one of this model before it is loaded.

    mmengine loads what fits and mentions the rest in its log, whereupon a run
    starts from random weights.

    Args:
        path: of the checkpoint.
        model: the model, perhaps wrapped for several ranks or for test-time augmentation.
        whole: the model's tensors and no others must come (to resume a run); False
            lets some be missing or left over (to start from another one's encoder).

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint, or of another size or program.
    """
    found = load_state_dict(path)
    expected = unwrap(model).state_dict()
    common = expected.keys() & found.keys()
    for name in sorted(common):
        if found[name].shape != expected[name].shape:
            raise ValueError(
                f'{str(path)!r} is of another size: {name} is '
                f'{tuple(found[name].shape)} there, {tuple(expected[name].shape)} in '
                'the model; use the config that it was trained with'
            )
    missing, left_over = (
        ', '.join(sorted(names)[:1]) or 'none'
        for names in (expected.keys() - common, found.keys() - common)
    )
    if not common or (whole and found.keys() != expected.keys()):
        raise ValueError(
            f'{str(path)!r} is of another program or model: {len(common)} of {len(expected)} '
            f'tensors found, missing is {missing}, left over is {left_over}'
        )
