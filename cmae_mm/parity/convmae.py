"""One training step of the released ConvMAE code, repeated with this package.

github.com/Alpha-VL/ConvMAE at 4c97b4c. What a fixture holds of the encoder without a mask is from
its classifier, ``ConvViT``: built by name it has biases of queries, keys and values, built by its
class, as for the fixtures so far, it has none unless asked for. The row says which one it was.
"""

import copy

import torch
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from cmae_mm.checkpoints.hybrid import import_convmae, tensor_names

from .rows import LOSS, Row, tensor_row, worst_row

STRIDES = (4, 2, 2)
# what the host's decoder calls otherwise
_DECODER = {
    'decoder_norm': 'ln1',
    'norm1': 'ln1',
    'norm2': 'ln2',
    'mlp.fc1': 'ffn.layers.0.0',
    'mlp.fc2': 'ffn.layers.1',
}


def check(fixture: dict) -> list[Row]:
    """Repeat the numbers of a fixture and compare them.

    Args:
        fixture: ``config``, ``state_dict``, ``img``, ``noise``, and of the released code:
            ``latent``, ``mask``, ``ids_restore``, ``pred_mean``, ``pred_first``, ``loss``,
            ``grad_norms``, ``stage1_mean``, ``stage2_mean``, ``stage3`` and ``pooled``.
    """
    found = numbers(fixture)
    rows = [
        tensor_row(name, found[name], fixture[name], allowed=0.0)
        for name in ('mask', 'ids_restore')
    ]
    rows += [
        tensor_row(name, found[name], fixture[name])
        for name in ('latent', 'pred_mean', 'pred_first', 'stage1_mean', 'stage2_mean')
    ]
    rows += min(
        (
            [tensor_row(f'{name}, {kind}', features[name], fixture[name]) for name in features]
            for kind, features in found['classifiers'].items()
        ),
        key=lambda rows: sum(row.difference for row in rows),
    )
    rows.append(Row(0, 'loss', abs(found['loss'] - fixture['loss']), LOSS))
    rows.append(worst_row('gradients', found['grad_norms'], fixture['grad_norms']))
    return rows


def model_config(released: dict) -> dict:
    """Translate a config of the released code into one of ``MaskedReconstruction``."""
    *conv_dims, width = released['embed_dim']
    *conv_layers, layers = released['depth']
    return dict(
        type='MaskedReconstruction',
        backbone=dict(
            type='HybridViT',
            arch=dict(
                conv_dims=conv_dims,
                conv_layers=conv_layers,
                embed_dims=width,
                num_layers=layers,
                num_heads=released['num_heads'],
                feedforward_channels=int(width * released['mlp_ratio']),
            ),
            img_size=released['img_size'],
            strides=STRIDES,
            mask_ratio=released['mask_ratio'],
        ),
        neck=dict(
            type='CMAEPixelDecoder',
            decoder_embed_dim=released['decoder_embed_dim'],
            decoder_depth=released['decoder_depth'],
            decoder_num_heads=released['decoder_num_heads'],
            mlp_ratio=released['mlp_ratio'],
        ),
        head=dict(type='ReconstructionHead', norm_pix=released['norm_pix_loss']),
    )


def numbers(fixture: dict) -> dict:
    """Compute what a fixture holds, by its keys; gradient norms have the released names."""
    model = MODELS.build(model_config(fixture['config']))
    names = _load(model, fixture['state_dict'])
    images, noise = fixture['img'], fixture['noise']
    model.backbone.masking.noise = lambda *_: noise
    loss = model.loss(images)['loss']
    loss.backward()
    return dict(
        _outputs(model, images, noise),
        loss=loss.item(),
        grad_norms={
            names[name]: parameter.grad.norm().item()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        },
    )


def _load(model: torch.nn.Module, released: dict[str, Tensor]) -> dict[str, str]:
    """Load released tensors into a model; return their names there by those here."""
    encoder = tensor_names(released, of=0)
    names = {f'backbone.{ours}': name for name, ours in encoder.items() if name in released}
    names.update({f'neck.{_in_decoder(name)}': name for name in released if name not in encoder})
    tensors = {f'backbone.{name}': tensor for name, tensor in import_convmae(released).items()}
    tensors.update({ours: released[name] for ours, name in names.items() if ours not in tensors})
    model.load_state_dict(tensors)
    return names


def _in_decoder(name: str) -> str:
    for released, ours in _DECODER.items():
        name = name.replace(released, ours)
    return name


@torch.no_grad()
def _outputs(model: torch.nn.Module, images: Tensor, noise: Tensor) -> dict:
    encoder = model.backbone
    tokens, patch_mask = encoder.encode(images, noise)
    pixels = model.neck(tokens, patch_mask.ids_restore)
    _, _, stages = encoder.patch_embed.stages(images)
    return dict(
        latent=tokens,
        mask=patch_mask.mask,
        ids_restore=patch_mask.ids_restore,
        pred_mean=pixels.mean(dim=2),
        pred_first=pixels[:, :4],
        stage1_mean=stages[0].features.mean(dim=1),
        stage2_mean=stages[1].features.mean(dim=1),
        classifiers={
            'qkv bias': _classifier(encoder, images),
            'no qkv bias': _classifier(_without_qkv_bias(encoder), images),
        },
    )


def _classifier(encoder: torch.nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What a classifier sees: it has no final norm, but one of the averaged tokens."""
    encoder = copy.deepcopy(encoder)
    encoder.final_norm = False
    (last,) = encoder(images)
    return dict(stage3=last, pooled=F.layer_norm(last.mean(dim=1), last.shape[2:], eps=1e-6))


def _without_qkv_bias(encoder: torch.nn.Module) -> torch.nn.Module:
    encoder = copy.deepcopy(encoder)
    for layer in encoder.layers:
        layer.attn.qkv.bias.zero_()
    return encoder
