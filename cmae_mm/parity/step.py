"""One training step of the released CMAE code, repeated with this package.

github.com/ZhichengHuang/CMAE at e786a52. Its module names are this package's:
``backbone``, ``target_backbone``, ``pixel_decoder``, ``feature_decoder``,
``projector``, ``target_projector`` and ``head.predictor``, down to the tensors.
"""

import torch
from mmengine.model import revert_sync_batchnorm
from mmpretrain.registry import MODELS
from torch import Tensor

from cmae_mm.engine.ranks import run_ranks

from .config import model_config
from .rows import LOSS, Row, tensor_row, worst_row


def check(fixture: dict) -> list[Row]:
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
        Row(rank, name, abs(found['losses'][name] - value), LOSS)
        for name, value in expected['losses'].items()
    ]
    rows.append(tensor_row('mask', found['mask'], expected['mask'], 0.0, rank))
    rows += [
        tensor_row(name, found[name], expected[name], rank=rank)
        for name in ('pixel', 'feature', 'target_tokens')
    ]
    rows.append(worst_row('gradients', found['grad_norms'], expected['grad_norms'], rank=rank))
    for kind, biases, allowed in (('stepped', False, 1e-5), ('stepped biases', True, 0.05)):
        norms = {
            name: norm
            for name, norm in expected['after_step'].items()
            if name.endswith('.bias') == biases
        }
        rows.append(worst_row(kind, found['after_step'], norms, allowed, floor=1e-6, rank=rank))
    return rows
