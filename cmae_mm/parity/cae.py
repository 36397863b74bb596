"""Losses, outputs and gradients of the released CAE code, repeated with this package.

github.com/lxtGH/CAE at d725971.
"""

import re

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from cmae_mm.models.utils import as_patch_mask

from .rows import LOSS, Row, tensor_row, worst_row

# its names -> this package's
_NAMES = (
    (r'^mask_token$', 'neck.mask_token'),
    (r'^encoder\.patch_embed\.proj', 'backbone.patch_embed.projection'),
    (r'^encoder\.norm\.', 'backbone.ln1.'),
    (r'^encoder\.blocks', 'backbone.layers'),
    (r'^encoder\.', 'backbone.'),
    (r'^encoder_to_decoder', 'neck.encoder_to_decoder'),
    (r'^pretext_neck\.regressor_blocks', 'neck.regressors'),
    (r'^pretext_neck\.decoder_blocks', 'neck.decoders'),
    (r'^pretext_neck\.norm\.', 'neck.norm_regressor.'),
    (r'^pretext_neck\.norm2\.', 'neck.norm_decoder.'),
    (r'^pretext_neck\.head', 'neck.head'),
    (r'\.norm1_([qkv])\.', r'.norm1_\1_cross.'),
    (r'\.norm([12])\.', r'.ln\1.'),
    (r'\.mlp(_cross)?\.fc1\.', '.ffn.layers.0.0.'),
    (r'\.mlp(_cross)?\.fc2\.', '.ffn.layers.1.'),
    (r'\.gamma_1$', '.attn.gamma1.weight'),
    (r'\.gamma_2$', '.ffn.gamma2.weight'),
    (r'\.cross_attn\.([qv])_bias$', r'.cross_attn.\1.bias'),
)


def check(fixture: dict) -> list[Row]:
    """Compute a fixture's losses, outputs and gradients, and compare.

    Args:
        fixture: ``config``, ``state_dict``, ``img``, ``mask``, ``labels``, ``logits``,
            ``latent_pred``, ``latent_target``, ``loss_main``, ``loss_align`` and ``grad_norms``
            of the released code.

    Returns:
        the differences.
    """
    model = build(fixture['config'], fixture['state_dict'])
    found = step(model, fixture)
    rows = [
        tensor_row(name, found[name], fixture[name])
        for name in ('logits', 'latent_pred', 'latent_target')
    ]
    rows += [
        Row(0, name, abs(found[name] - fixture[name]), LOSS) for name in ('loss_main', 'loss_align')
    ]
    rows.append(worst_row('gradients', found['grad_norms'], fixture['grad_norms']))
    return rows


def build(config: dict, tensors: dict[str, Tensor]) -> nn.Module:
    """Build the model of a fixture's config and load the released code's tensors."""
    width, heads = config['embed_dim'], config['num_heads']
    hidden = int(width * config['mlp_ratio'])
    model = MODELS.build(
        dict(
            type='ContextAutoencoder',
            backbone=dict(
                type='CMAEViT',
                arch=dict(
                    embed_dims=width,
                    num_layers=config['depth'],
                    num_heads=heads,
                    feedforward_channels=hidden,
                ),
                img_size=config['img_size'],
                patch_size=config['patch_size'],
                in_channels=tensors['encoder.patch_embed.proj.weight'].shape[1],
                layer_scale_init_value=config['layer_scale_encoder'],
            ),
            neck=dict(
                type='CAERegressorDecoder',
                embed_dims=config['decoder_embed_dim'],
                num_heads=config['decoder_num_heads'],
                regressor_depth=config['regressor_depth'],
                decoder_depth=config['decoder_depth'],
                mlp_ratio=config['mlp_ratio'],
                layer_scale_init_value=config['layer_scale_decoder'],
            ),
            head=dict(type='TokenHead'),
            target_generator=_GivenTokens(config['vocabulary']),
            alignment_weight=config['align_loss_weight'],
        )
    )
    model.load_state_dict(converted(tensors))
    return model


class _GivenTokens(nn.Module):
    """In the tokenizer's place: what it is given are the tokens."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens


def converted(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the released code's tensors in this package's names.

    Self-attention here has a bias for keys as well, which softmax is blind to: zeros.
    """
    result = {}
    for name, tensor in tensors.items():
        if name.endswith('.attn.q_bias'):
            value_bias = tensors[name.replace('q_bias', 'v_bias')]
            joined = torch.cat((tensor, torch.zeros_like(tensor), value_bias))
            result[_name(name.replace('q_bias', 'qkv.bias'))] = joined
        elif not name.endswith('.attn.v_bias'):
            result[_name(name)] = tensor
    return result


def _name(released: str) -> str:
    for pattern, ours in _NAMES:
        released = re.sub(pattern, ours, released)
    return released


def step(model: nn.Module, fixture: dict) -> dict:
    """Run a training step up to the gradients.

    Returns:
        the keys of a fixture.
    """
    images, removed = fixture['img'], fixture['mask'].flatten(1)
    patch_mask = as_patch_mask(removed)
    tokens = torch.zeros_like(removed, dtype=torch.long)
    tokens[removed] = fixture['labels']
    tokens = tokens.unflatten(1, model.backbone.patch_resolution)

    outputs = []
    hook = model.neck.register_forward_hook(lambda *args: outputs.extend(args[2]))
    losses = model.loss([images, patch_mask, tokens])
    hook.remove()
    sum(losses.values()).backward()
    logits, latent = outputs
    return dict(
        logits=logits.flatten(0, 1),
        latent_pred=latent,
        latent_target=model.encode_removed(images, patch_mask),
        grad_norms={name: _gradient(model, name).norm().item() for name in fixture['grad_norms']},
        **{name: loss.item() for name, loss in losses.items()},
    )


def _gradient(model: nn.Module, released: str) -> Tensor:
    """Return the gradient of a tensor, by its released name."""
    for part, name in enumerate(('q_bias', 'k_bias', 'v_bias')):
        if released.endswith(f'.attn.{name}'):
            bias = model.get_parameter(_name(released.replace(name, 'qkv.bias')))
            return bias.grad.chunk(3)[part]
    return model.get_parameter(_name(released)).grad
