"""The parity check, on a fixture made by this package itself."""

import copy
import functools
from pathlib import Path

import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.engine.ranks import run_ranks
from cmae_mm.parity import check_parity, model_config
from cmae_mm.parity.step import compare, training_step
from tests.helpers.configs import read_config
from tests.helpers.process import process_here

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / 'tests' / 'data' / 'published_cmae_small.pt'
ARCH = dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=24)
DECODER = dict(
    type='MAEPretrainDecoder',
    num_patches=16,
    patch_size=4,
    in_chans=3,
    embed_dim=24,
    decoder_embed_dim=16,
    decoder_num_heads=2,
    mlp_ratio=2.0,
)
NECK = dict(
    type='NonLinearNeck',
    hid_channels=12,
    out_channels=8,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_avg_pool=False,
    norm_cfg=dict(type='BN1d', eps=1e-6),
)
ENCODER = dict(type='CMAEViT', arch=ARCH, img_size=16, patch_size=4)
CONFIG = dict(
    type='CMAE',
    backbone=dict(
        online=dict(**ENCODER, mask_ratio=0.65),
        target=dict(**ENCODER, mask_ratio=0.0, final_norm=False),
    ),
    neck=dict(
        pixel=dict(**DECODER, decoder_depth=2),
        feature=dict(**DECODER, decoder_depth=1),
        projector=dict(**NECK, in_channels=48),
    ),
    head=dict(
        type='CMAEPretrainHead',
        predictor=dict(**NECK, in_channels=8),
        temperature=0.07,
        norm_pix=True,
        patch_size=4,
        ct_weight=1.0,
        rc_weight=1.0,
    ),
)


@functools.cache
def _made(world):
    torch.manual_seed(0)
    model = MODELS.build(model_config(CONFIG))
    model.init_weights()
    made = dict(
        config=CONFIG,
        state_dict=dict(model.state_dict()),
        img=torch.randn(world * 4, 3, 16, 16),
        img_t=torch.randn(world * 4, 3, 16, 16),
        noise=torch.rand(world * 4, 4),
        world=world,
        lr=1e-3,
        betas=(0.9, 0.95),
        weight_decay=0.05,
        momentum=0.996,
    )
    made['per_rank'] = run_ranks(training_step, world, made)
    return made


def fixture(world):
    """Numbers of this package in a fixture's form, free to be changed."""
    return copy.deepcopy(_made(world))


@pytest.mark.parametrize('world', [1, 2])
def test_equal_numbers_pass_and_every_other_number_fails(world):
    made = fixture(world)
    rows = check_parity(made)
    assert {row.rank for row in rows} == set(range(world))
    assert all(row.passed for row in rows)
    found, last = copy.deepcopy(made['per_rank'][-1]), made['per_rank'][-1]
    last['losses']['loss_ct'] += 1e-3
    last['pixel'][0, 0, 0] += 1e-2
    last['feature'][0, 0, 0] = float('nan')
    last['mask'][0, 0] = 1 - last['mask'][0, 0]
    last['grad_norms']['backbone.cls_token'] *= 1.1
    last['after_step']['projector.fc1.weight'] *= 1.001
    last['after_step']['nowhere.bias'] = 1.0
    rows = compare(world - 1, found, last)
    failed = {row.quantity.split(',')[0] for row in rows if not row.passed}
    assert failed == {
        'loss_ct',
        'pixel',
        'feature',
        'mask',
        'gradients',
        'stepped',
        'stepped biases',
    }


def test_a_step_equals_that_of_the_released_code():
    rows = check_parity(torch.load(RELEASED, weights_only=True))
    assert len(rows) == 9
    assert not [row for row in rows if not row.passed]


def test_the_released_config_is_the_published_one():
    """What the released code's ViT-B config says, through the translation, is our config."""
    encoder = dict(type='CMAEViT', arch='b', patch_size=16)
    decoder = dict(type='MAEPretrainDecoder', patch_size=16, in_chans=3, embed_dim=768)
    decoder.update(decoder_embed_dim=512, decoder_num_heads=16, mlp_ratio=4.0)
    neck = dict(type='NonLinearNeck', hid_channels=1536, out_channels=256, num_layers=2)
    neck.update(with_bias=True, with_last_bn=False, with_avg_pool=False)
    translated = model_config(
        dict(
            backbone=dict(
                online=dict(**encoder, mask_ratio=0.65),
                target=dict(**encoder, mask_ratio=0.0, final_norm=False),
            ),
            neck=dict(
                pixel=dict(**decoder, decoder_depth=8),
                feature=dict(**decoder, decoder_depth=2),
                projector=dict(**neck, in_channels=768),
            ),
            head=dict(
                predictor=dict(**neck, in_channels=256),
                temperature=0.07,
                ct_weight=1.0,
                rc_weight=1.0,
            ),
        )
    )
    path = ROOT / 'configs/_base_/models/cmae-published_vit-base-p16.py'
    models = []
    with torch.device('meta'):
        for cfg in (translated, read_config(path).model):
            models.append(MODELS.build(cfg))
    ours, theirs = (
        {name: tensor.shape for name, tensor in model.state_dict().items()} for model in models
    )
    assert ours == theirs
    for read in (
        lambda model: (model.backbone.mask_ratio, model.backbone.masking.block),
        lambda model: (model.target_backbone.mask_ratio, model.target_backbone.final_norm),
        lambda model: (model.head.norm_pix, model.head.loss_weight),
        lambda model: model.head.contrastive.temperature,
        lambda model: model.head.contrastive.loss_weight,
        lambda model: model.head.predictor.bn0.eps,
    ):
        assert read(models[0]) == read(models[1])
    assert models[0].head.contrastive.loss_weight == pytest.approx(0.14)


def test_projectors_of_the_published_recipe_start_as_torch_s_and_all_else_as_mae_s():
    cfg = read_config(ROOT / 'configs/_base_/models/cmae-published_vit-base-p16.py').model
    cfg.backbone.update(arch={**ARCH, 'embed_dims': 96}, img_size=32, patch_size=4)
    for decoder in (cfg.neck.pixel, cfg.neck.feature):
        decoder.update(decoder_embed_dim=96, decoder_num_heads=2)
    cfg.neck.feature.out_channels = 96
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or name.startswith('target_'):
            continue
        fan_out, fan_in = module.weight.shape
        if 'projector' in name or 'predictor' in name:
            bound = fan_in**-0.5  # torch's, of biases, too
            assert module.bias is None or module.bias.abs().max() > 0.9 * bound
        else:
            bound = (6 / (fan_in + fan_out)) ** 0.5  # Xavier's
            assert module.bias.abs().max() < 1e-4
        assert 0.95 * bound < module.weight.abs().max() <= bound, name
    for name, parameter in model.target_projector.named_parameters():
        assert parameter.equal(model.projector.get_parameter(name))


def test_negatives_come_from_all_ranks():
    made = fixture(2)
    alone = {**made, 'world': 1, **{key: made[key][:4] for key in ('img', 'img_t', 'noise')}}
    losses = [run_ranks(training_step, 1, alone)[0]['losses'], made['per_rank'][0]['losses']]
    assert losses[0]['loss_rc'] == pytest.approx(losses[1]['loss_rc'])
    assert losses[0]['loss_ct'] < losses[1]['loss_ct']


def test_exit_status_of_the_tool(tmp_path):
    made = fixture(1)
    torch.save(made, tmp_path / 'good.pt')
    made['per_rank'][0]['losses']['loss_rc'] += 1
    torch.save(made, tmp_path / 'bad.pt')
    (tmp_path / 'text.pt').write_text('no fixture')
    torch.save({'weights': torch.ones(1)}, tmp_path / 'weights.pt')
    for name, status, expected in (
        ('good', 0, '9 of 9 within'),
        ('bad', 1, '8 of 9 within'),
        ('text', 1, 'error: '),
        ('weights', 1, "error: a fixture of an unknown method: found the keys ['weights']"),
    ):
        process = process_here('check_parity.py', tmp_path / f'{name}.pt')
        assert process.returncode == status, process.stderr
        assert expected in process.stdout + process.stderr
