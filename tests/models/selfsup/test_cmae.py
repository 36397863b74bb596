import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.registry import MODELS

from cmae_mm.models import CMAE
from tests.helpers.tiny import HYBRID, tiny_config, tiny_model, two_views


def total(losses):
    return sum(losses.values())


def test_target_starts_as_a_copy():
    model = tiny_model()
    online = dict(model.backbone.named_parameters())
    for name, parameter in model.target_backbone.named_parameters():
        assert parameter.equal(online[name])
    assert model.target_projector.fc0.weight.equal(model.projector.fc0.weight)


def test_a_checkpoint_without_a_target_starts_one_from_its_encoder():
    source, model = tiny_model(), tiny_model()
    for parameter in source.backbone.parameters():
        parameter.data.add_(1.0)
    encoder = {k: v for k, v in source.state_dict().items() if k.startswith('backbone.')}
    load_state_dict(model, encoder)
    online = dict(model.backbone.named_parameters())
    for name, parameter in model.target_backbone.named_parameters():
        assert parameter.equal(online[name])
        assert parameter.equal(source.backbone.get_parameter(name))


def test_a_pretrained_target_is_kept(tmp_path):
    source = tiny_model()
    for parameter in source.target_backbone.parameters():
        parameter.data.add_(1.0)
    torch.save(source.state_dict(), tmp_path / 'a.pth')
    model = tiny_model(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth')))
    assert model.target_backbone.pos_embed.equal(source.target_backbone.pos_embed)
    assert not model.target_backbone.pos_embed.equal(model.backbone.pos_embed)


def test_target_gets_no_gradient_and_all_else_does():
    model = tiny_model()
    total(model.loss(two_views())).backward()
    for name, parameter in model.named_parameters():
        fixed = name.startswith('target_') or 'pos_embed' in name
        assert (parameter.grad is None) == fixed, name
        assert parameter.requires_grad != fixed, name


@pytest.mark.parametrize('momentum', [0.0, 0.9, 1.0])
def test_momentum_equals_its_closed_form(momentum):
    model = tiny_model()
    model.requires_grad_(False)
    start = {k: v.clone() for k, v in model.target_backbone.named_parameters()}
    online = dict(model.backbone.named_parameters())
    for parameter in online.values():
        parameter.add_(torch.randn_like(parameter))
    for _ in range(3):
        model.update_target(momentum)
    for name, parameter in model.target_backbone.named_parameters():
        expected = momentum**3 * start[name] + (1 - momentum**3) * online[name]
        torch.testing.assert_close(parameter, expected)


def test_momentum_leaves_buffers_alone():
    model = tiny_model()
    model.loss(two_views())
    before = model.target_projector.bn0.running_mean.clone()
    model.update_target(0.0)
    assert model.target_projector.bn0.running_mean.equal(before)
    assert not before.equal(model.projector.bn0.running_mean)


@pytest.mark.parametrize(
    'overrides',
    [
        dict(backbone__mask_block=2),
        dict(target=dict(final_norm=False)),
        dict(target=dict(mask_ratio=0.5)),
        dict(neck__feature__share_weights=True),
        dict(neck__feature__decoder_depth=2),
        dict(neck__feature__out_channels=48),
        dict(head__contrastive=dict(type='BYOLLoss')),
        dict(head__norm_pix=False),
    ],
    ids=str,
)
def test_every_ablation_trains(overrides):
    model = tiny_model(**overrides)
    losses = model.loss(two_views())
    total(losses).backward()
    assert set(losses) == {'loss_rc', 'loss_ct'}
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
    assert model.backbone.layers[0].attn.qkv.weight.grad.abs().sum() > 0


def test_final_norm_of_the_target_is_its_own_choice():
    # the same parameters, so that the two differ by the norm alone
    images = two_views()[1]
    normed, bare = tiny_model(), tiny_model(target=dict(final_norm=False))
    tokens = bare.target_backbone.encode(images)[0]
    torch.testing.assert_close(
        normed.backbone.ln1(tokens), normed.target_backbone.encode(images)[0]
    )


@pytest.mark.parametrize('size, channels', [((8, 24), 1), ((16, 16), 5)])
def test_rectangular_images_and_any_number_of_channels(size, channels):
    model = tiny_model(backbone__img_size=size, backbone__in_channels=channels)
    total(model.loss(two_views(channels=channels, size=size))).backward()
    prediction, mask = model.reconstruct(two_views(channels=channels, size=size)[0])
    assert prediction.shape == (4, channels, *size)
    assert mask.shape == (4, 1, *size)


def test_a_target_projector_of_another_width_keeps_its_first_layer():
    model = tiny_model(neck__feature__out_channels=48)
    assert model.projector.fc0.in_features == 48
    assert model.target_projector.fc0.in_features == 24
    before = model.target_projector.fc0.weight.clone()
    model.update_target(0.5)
    assert model.target_projector.fc0.weight.equal(before)
    assert model.target_projector.fc1.weight.equal(model.projector.fc1.weight)


def test_target_embedding_is_the_mean_over_patches_without_the_class_token():
    model, views, seen = tiny_model(), two_views(), []
    model.target_projector.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    model.loss(views)
    tokens = model.target_backbone.encode(views[1])[0]
    torch.testing.assert_close(seen[0], tokens[:, 1:].mean(dim=1))


def test_the_online_view_is_encoded_masked_and_reconstructed_and_the_target_view_is_the_target():
    model, (online, target), calls = tiny_model(), two_views(), {}

    def record(name, method):
        def call(*args):
            calls[name] = args
            calls[f'{name} result'] = method(*args)
            return calls[f'{name} result']

        return call

    model.backbone.encode = record('online', model.backbone.encode)
    model.target_backbone.encode = record('target', model.target_backbone.encode)
    model.head.loss = record('loss', model.head.loss)
    losses = model.loss([online, target])
    assert calls['online'][0] is online and calls['target'][0] is target
    _, images, patch_mask, _, _ = calls['loss']
    assert images is online and patch_mask is calls['online result'][1]
    assert calls['target result'][1] is None  # the whole image
    # pixels of the target view would give another reconstruction loss
    everything = model.pixel_decoder(calls['online result'][0], patch_mask.ids_restore)
    removed = patch_mask.mask.bool()
    expected = (everything - model.head.construct_target(online))[removed].square().mean()
    torch.testing.assert_close(losses['loss_rc'], expected)


def test_the_losses_move_with_their_views():
    model, (online, target) = tiny_model(), two_views()

    def losses(*views):
        torch.manual_seed(2)
        return model.loss(list(views))

    before, other = losses(online, target), losses(online, target.flip(0))
    assert other['loss_rc'].equal(before['loss_rc'])
    assert not torch.isclose(other['loss_ct'], before['loss_ct'])
    assert not torch.isclose(losses(online.flip(3), target)['loss_rc'], before['loss_rc'])


def test_reconstruct_marks_what_the_encoder_did_not_see():
    model = tiny_model()
    images = two_views()[0]
    torch.manual_seed(3)
    prediction, mask = model.reconstruct(images)
    torch.manual_seed(3)
    again, _ = model.reconstruct(torch.where(mask.bool(), images.roll(1, 0), images))
    # with norm_pix statistics come from the image: compare normalised patches
    normalise = model.head.construct_target
    torch.testing.assert_close(normalise(prediction), normalise(again), rtol=1e-3, atol=1e-3)


def test_a_batch_of_one_is_an_error():
    with pytest.raises(ValueError, match='batch_size of at least 2'):
        tiny_model().loss(two_views(num_images=1))


def test_misspelt_fields_are_errors():
    with pytest.raises(TypeError, match='mask_ration'):
        MODELS.build(tiny_config(backbone__mask_ration=0.5))
    with pytest.raises(KeyError, match='CMAEViTT'):
        MODELS.build(tiny_config(backbone__type='CMAEViTT'))


@pytest.mark.parametrize('dtype', [torch.bfloat16])
def test_losses_under_autocast_are_close_to_float32(dtype):
    # at a low temperature rounding is magnified
    model = tiny_model(head__contrastive=dict(type='InfoNCELoss', temperature=1.0))
    torch.manual_seed(5)
    full = model.loss(two_views())
    torch.manual_seed(5)
    with torch.autocast('cpu', dtype):
        half = model.loss(two_views())
    for name in full:
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name], full[name], rtol=0.05, atol=0.05)


@pytest.mark.parametrize('arch, patch', [('deit-s', 16), ('b', 16), ('l', 16), ('h', 14)])
def test_full_sizes_build(arch, patch):
    config = tiny_config(backbone__arch=arch, backbone__img_size=224, backbone__patch_size=patch)
    with torch.device('meta'):
        model = MODELS.build(config)
    assert isinstance(model, CMAE)
    assert model.pixel_decoder.decoder_pred.out_features == patch**2 * 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_trains_on_a_gpu(dtype):
    model = tiny_model().cuda()
    views = [view.cuda() for view in two_views()]
    with torch.autocast('cuda', dtype, enabled=dtype != torch.float32):
        losses = model.loss(views)
    total(losses).backward()
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize('recipe', ['paper', 'published'])
def test_the_hybrid_encoder_is_an_encoder_like_any_other(recipe):
    target = dict(fusion=False, final_norm=recipe == 'paper')
    backbone = dict(type='HybridViT', **HYBRID, mask_block=1 if recipe == 'paper' else 2)
    model = tiny_model(backbone=backbone, target=target)
    fused = {name for name in model.state_dict() if '.fusion.' in name}
    assert len(fused) == 4 and all(name.startswith('backbone.') for name in fused)
    online, shifted = two_views()
    total(model.loss([online, shifted])).backward()
    for name, parameter in model.named_parameters():
        fixed = name.startswith('target_') or 'pos_embed' in name
        assert (parameter.grad is None) == fixed, name
    with torch.no_grad():
        embedding = model._embed(shifted)
        expected, _ = model.target_backbone.encode(shifted)
        torch.testing.assert_close(embedding, expected.mean(dim=1))  # over all tokens
        model.backbone.patch_embed.linear.weight.add_(1)
        model.update_target(momentum=0.0)
    online = dict(model.backbone.named_parameters())
    for name, parameter in model.target_backbone.named_parameters():
        assert parameter.equal(online[name]), name
