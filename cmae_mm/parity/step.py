"""One training step of the released code, repeated with this package."""

from typing import NamedTuple

import torch
from mmengine.model import revert_sync_batchnorm
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.engine.ranks import run_ranks

from .config import model_config


class Row(NamedTuple):
    """One line of the table of differences."""

    rank: int
    quantity: str
    difference: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is allowed."""
        return self.difference <= self.allowed  # False for NaN


def check_parity(fixture: dict) -> list[Row]:
    """Run a fixture's step in one process per rank and compare the results.

    Args:
        fixture: ``config``, ``state_dict``, ``img``, ``img_t``, ``noise``,
            ``world``, ``per_rank``, ``lr``, ``betas``, ``weight_decay`` and
            ``momentum`` of one step of the released code.

    Returns:
        the differences, rank by rank.
    """
    world = fixture['world']
    results = run_ranks(training_step, world, fixture)
    return [
        row
        for rank in range(world)
        for row in compare(rank, results[rank], fixture['per_rank'][rank])
    ]


def training_step(rank: int, fixture: dict) -> dict:
    """Run one rank's step with this package's modules, in float32.

    Returns:
        the keys of a fixture's ``per_rank``.
    """
    # the fixtures were made by ranks on CPUs, each of which normalised its own batch
    model = revert_sync_batchnorm(MODELS.build(model_config(fixture['config'])))
    model.load_state_dict(fixture['state_dict'])
    model.train()

    share = len(fixture['img']) // fixture['world']
    rows = slice(rank * share, (rank + 1) * share)
    images, target_images = fixture['img'][rows], fixture['img_t'][rows]
    model.backbone.masking.noise = lambda *_: fixture['noise'][rows]

    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=fixture['lr'],
        betas=fixture['betas'],
        weight_decay=fixture['weight_decay'],
    )
    result = _outputs(model, images, target_images)
    losses = model.loss([images, target_images])
    sum(losses.values()).backward()
    result['losses'] = {name: loss.item() for name, loss in losses.items()}
    result['grad_norms'] = {
        name: parameter.grad.norm().item()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    optimizer.step()
    model.update_target(fixture['momentum'])
    result['after_step'] = {
        name: tensor.double().norm().item() for name, tensor in model.state_dict().items()
    }
    return result


@torch.no_grad()
def _outputs(model, images: Tensor, target_images: Tensor) -> dict:
    tokens, patch_mask = model.backbone.encode(images)
    decoder = model.feature_decoder
    return dict(
        mask=patch_mask.mask,
        pixel=model.pixel_decoder(tokens, patch_mask.ids_restore),
        feature=decoder.decoder_pred(decoder.decode(tokens, patch_mask.ids_restore)),
        target_tokens=model.target_backbone.encode(target_images)[0],
    )


def compare(rank: int, found: dict, expected: dict) -> list[Row]:
    """Return the rows of one rank, with the tolerances of the fixture's description.

    Biases before a batch norm and of attention keys have no gradient except rounding, which
    AdamW turns into full-sized steps: hence their 5 %.
    """
    rows = [
        Row(rank, name, abs(found['losses'][name] - value), 1e-5)
        for name, value in expected['losses'].items()
    ]
    rows += [
        Row(rank, name, (found[name] - expected[name]).abs().max().item(), allowed)
        for name, allowed in (
            ('mask', 0.0),
            ('pixel', 1e-4),
            ('feature', 1e-4),
            ('target_tokens', 1e-4),
        )
    ]
    rows.append(_worst(rank, 'gradients', found, expected, 'grad_norms', 1e-3, floor=0.01))
    for kind, allowed in (('stepped', 1e-5), ('stepped biases', 0.05)):
        rows.append(_worst(rank, kind, found, expected, 'after_step', allowed))
    return rows


def _worst(
    rank: int,
    kind: str,
    found: dict,
    expected: dict,
    key: str,
    allowed: float,
    floor: float = 1e-6,
) -> Row:
    """The largest relative difference of norms; a missing tensor is infinite."""
    differences: dict[str, float] = {}
    for name, norm in expected[key].items():
        if key == 'after_step' and name.endswith('.bias') != ('bias' in kind):
            continue
        other = found[key].get(name, float('inf'))
        differences[name] = abs(other - norm) / max(norm, floor)
    name = max(differences, key=differences.get)
    return Row(rank, f'{kind}, worst {name}', differences[name], allowed)
