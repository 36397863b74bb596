"""CAE restated without this package: a loop over images, plain formulas, the released names.

It agrees with numbers of the released code (github.com/lxtGH/CAE at d725971) within 3e-6.
"""

import math

import torch
from torch.nn import functional as F


def released_tensors(config, generator):
    """Random tensors of a model in the released names; nothing is zero or one."""
    width, inner = config['embed_dim'], config['decoder_embed_dim']
    patch, ratio = config['patch_size'], config['mlp_ratio']
    grid = config['img_size'] // patch
    shapes = {
        'mask_token': (1, 1, inner),
        'encoder.cls_token': (1, 1, width),
        'encoder.patch_embed.proj.weight': (width, 3, patch, patch),
        'encoder.patch_embed.proj.bias': (width,),
        **_norm('encoder.norm', width),
        **_norm('pretext_neck.norm', inner),
        **_norm('pretext_neck.norm2', inner),
        **_linear('pretext_neck.head', inner, config['vocabulary']),
    }
    if width != inner:
        shapes.update(_linear('encoder_to_decoder', width, inner))
        shapes.update(_norm('encoder_to_decoder_norm', inner))
    stacks = (
        ('encoder.blocks', config['depth'], width),
        ('pretext_neck.decoder_blocks', config['decoder_depth'], inner),
    )
    for stack, depth, dims in stacks:
        for block in (f'{stack}.{i}' for i in range(depth)):
            shapes.update({f'{block}.gamma_{i}': (dims,) for i in (1, 2)})
            shapes.update({f'{block}.attn.{name}_bias': (dims,) for name in 'qv'})
            shapes[f'{block}.attn.qkv.weight'] = (3 * dims, dims)
            shapes.update(_norm(f'{block}.norm1', dims) | _norm(f'{block}.norm2', dims))
            shapes.update(_linear(f'{block}.attn.proj', dims, dims))
            shapes.update(_linear(f'{block}.mlp.fc1', dims, ratio * dims))
            shapes.update(_linear(f'{block}.mlp.fc2', ratio * dims, dims))
    for block in (f'pretext_neck.regressor_blocks.{i}' for i in range(config['regressor_depth'])):
        shapes.update({f'{block}.gamma_{i}_cross': (inner,) for i in (1, 2)})
        for name in ('norm1_q', 'norm1_k', 'norm1_v', 'norm2_cross'):
            shapes.update(_norm(f'{block}.{name}', inner))
        shapes.update({f'{block}.cross_attn.{name}_bias': (inner,) for name in 'qv'})
        shapes.update({f'{block}.cross_attn.{name}.weight': (inner, inner) for name in 'qkv'})
        shapes.update(_linear(f'{block}.cross_attn.proj', inner, inner))
        shapes.update(_linear(f'{block}.mlp_cross.fc1', inner, ratio * inner))
        shapes.update(_linear(f'{block}.mlp_cross.fc2', ratio * inner, inner))
    tensors = {
        name: torch.randn(shape, generator=generator)
        * (0.3 if len(shape) == 1 else shape[-1] ** -0.5)
        for name, shape in shapes.items()
    }
    positions = torch.cat((torch.zeros(1, width), sincos(grid, width)))
    return {**tensors, 'encoder.pos_embed': positions[None]}


def _norm(name, width):
    return {f'{name}.weight': (width,), f'{name}.bias': (width,)}


def _linear(name, inputs, outputs):
    return {f'{name}.weight': (outputs, inputs), f'{name}.bias': (outputs,)}


def sincos(grid, width):
    """Position embedding, (grid², width): sines and cosines of the row, then of the column."""
    rows = []
    for row in range(grid):
        for column in range(grid):
            angles = [
                [place / 10000 ** (i / (width // 4)) for i in range(width // 4)]
                for place in (row, column)
            ]
            rows.append([f(a) for part in angles for f in (math.sin, math.cos) for a in part])
    return torch.tensor(rows)


def naive_cae(tensors, config, images, masks, labels):
    """Outputs, losses and norms of gradients, by the names of a fixture."""
    t = {name: x.clone().requires_grad_('pos_embed' not in name) for name, x in tensors.items()}
    project = 'encoder_to_decoder.weight' in t
    positions = sincos(config['img_size'] // config['patch_size'], config['decoder_embed_dim'])
    logits, predicted, targets = [], [], []
    for image, mask in zip(images, masks):
        visible = _encode(t, config, image, ~mask)
        with torch.no_grad():
            target = _encode(t, config, image, mask)
            if project:
                target = _ln(t, 'encoder_to_decoder_norm', _fc(t, 'encoder_to_decoder', target))
        if project:
            visible = _ln(t, 'encoder_to_decoder_norm', _fc(t, 'encoder_to_decoder', visible))
        x = t['mask_token'][0].repeat(int(mask.sum()), 1)
        where = positions[mask]
        for i in range(config['regressor_depth']):
            block = f'pretext_neck.regressor_blocks.{i}'
            tokens = torch.cat((visible, x))
            places = torch.cat((positions[~mask], where))
            attention = _attend(
                config['decoder_num_heads'],
                _ln(t, f'{block}.norm1_q', x + where) @ t[f'{block}.cross_attn.q.weight'].T
                + t[f'{block}.cross_attn.q_bias'],
                _ln(t, f'{block}.norm1_k', tokens + places) @ t[f'{block}.cross_attn.k.weight'].T,
                _ln(t, f'{block}.norm1_v', tokens) @ t[f'{block}.cross_attn.v.weight'].T
                + t[f'{block}.cross_attn.v_bias'],
            )
            x = x + t[f'{block}.gamma_1_cross'] * _fc(t, f'{block}.cross_attn.proj', attention)
            x = _ln(t, f'{block}.norm2_cross', x)
            x = x + t[f'{block}.gamma_2_cross'] * _mlp(t, f'{block}.mlp_cross', x)
        latent = _ln(t, 'pretext_neck.norm', x)
        x = latent + where
        for i in range(config['decoder_depth']):
            x = _block(t, f'pretext_neck.decoder_blocks.{i}', config['decoder_num_heads'], x)
        logits.append(_fc(t, 'pretext_neck.head', _ln(t, 'pretext_neck.norm2', x)))
        predicted.append(latent)
        targets.append(target)
    logits, predicted, targets = torch.cat(logits), torch.stack(predicted), torch.stack(targets)
    loss_main = -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()
    loss_align = config['align_loss_weight'] * ((predicted - targets) ** 2).mean()
    (loss_main + loss_align).backward()
    return dict(
        logits=logits.detach(),
        latent_pred=predicted.detach(),
        latent_target=targets,
        loss_main=loss_main.item(),
        loss_align=loss_align.item(),
        grad_norms={name: x.grad.norm().item() for name, x in t.items() if x.requires_grad},
    )


def _encode(t, config, image, mask):
    """Tokens of the patches in a mask, which see each other and the class token."""
    patches = F.conv2d(
        image[None],
        t['encoder.patch_embed.proj.weight'],
        t['encoder.patch_embed.proj.bias'],
        stride=config['patch_size'],
    )
    x = (patches[0].flatten(1).T + t['encoder.pos_embed'][0, 1:])[mask]
    x = torch.cat((t['encoder.cls_token'][0] + t['encoder.pos_embed'][0, :1], x))
    for i in range(config['depth']):
        x = _block(t, f'encoder.blocks.{i}', config['num_heads'], x)
    return _ln(t, 'encoder.norm', x)[1:]


def _block(t, block, heads, x):
    q, k, v = (_ln(t, f'{block}.norm1', x) @ t[f'{block}.attn.qkv.weight'].T).chunk(3, dim=1)
    attention = _attend(heads, q + t[f'{block}.attn.q_bias'], k, v + t[f'{block}.attn.v_bias'])
    x = x + t[f'{block}.gamma_1'] * _fc(t, f'{block}.attn.proj', attention)
    return x + t[f'{block}.gamma_2'] * _mlp(t, f'{block}.mlp', _ln(t, f'{block}.norm2', x))


def _attend(heads, q, k, v):
    parts = []
    for head in zip(q.chunk(heads, 1), k.chunk(heads, 1), v.chunk(heads, 1)):
        logits = head[0] @ head[1].T / head[0].shape[1] ** 0.5
        parts.append(logits.softmax(dim=1) @ head[2])
    return torch.cat(parts, dim=1)


def _mlp(t, name, x):
    return _fc(t, f'{name}.fc2', F.gelu(_fc(t, f'{name}.fc1', x)))


def _fc(t, name, x):
    return x @ t[f'{name}.weight'].T + t[f'{name}.bias']


def _ln(t, name, x):
    x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    return x * t[f'{name}.weight'] + t[f'{name}.bias']
