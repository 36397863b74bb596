import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

from tests.helpers.files import PIPELINE, write_images
from tests.helpers.runs import ITERATIONS, config, differences, state, train
from tests.helpers.tiny import HYBRID, TEACHER, tiny_mimco_config, two_views


def tiny_mimco(**overrides):
    torch.manual_seed(0)
    model = MODELS.build(tiny_mimco_config(**overrides))
    model.init_weights()
    return model.train()


def images():
    return two_views()[0]


@pytest.mark.parametrize(
    'overrides',
    [
        dict(),
        dict(masking='mask_tokens'),
        dict(head__image_feature='cls'),
        dict(head__patch=dict(type='PatchSmoothL1Loss')),
        dict(head__patch=dict(type='PatchInfoNCELoss', keys='batch')),
        dict(head__image=dict(type='InfoNCELoss')),
        dict(backbone=dict(type='HybridViT', **HYBRID)),
        dict(teacher__backbone=dict(type='CMAEViT', arch=TEACHER, img_size=16, patch_size=4)),
    ],
    ids=str,
)
def test_every_choice_trains_all_of_the_student_and_nothing_of_the_teacher(overrides):
    model = tiny_mimco(**overrides)
    losses = model.loss(images())
    assert set(losses) == {'loss_patch', 'loss_image'}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        fixed = name.startswith('teacher.') or 'pos_embed' in name
        assert (parameter.grad is None) == fixed == (not parameter.requires_grad), name


def test_losses_are_of_removed_patches_and_of_means():
    model, calls = tiny_mimco(), {}
    for name in ('patch', 'image'):
        getattr(model.head, name).register_forward_hook(
            lambda _, args, __, name=name: calls.update({name: args})
        )
    for name in ('patch_projector', 'image_projector'):  # what reaches the losses is decoded
        setattr(model.head, name, nn.Identity())
    torch.manual_seed(1)
    model.loss(images())
    torch.manual_seed(1)
    visible, patch_mask = model.backbone.encode(images())
    decoded = model.neck(visible, patch_mask.ids_restore)[1]
    predicted, keys, positions = calls['patch']
    assert keys.equal(model.teacher(images())[1])
    removed = patch_mask.mask.bool()
    assert removed.gather(1, positions).all() and positions.shape == (4, 8)
    for image in range(4):
        torch.testing.assert_close(predicted[image], decoded[image, positions[image]])
    torch.testing.assert_close(calls['image'][0], decoded.mean(dim=1))
    torch.testing.assert_close(calls['image'][1], model.teacher(images())[1].mean(dim=1))


def test_mask_tokens_hide_what_is_removed():
    model = tiny_mimco(masking='mask_tokens')
    noise = torch.rand(4, 16)
    tokens, patch_mask = model.backbone.encode_with_mask_tokens(images(), model.mask_token, noise)
    assert tokens.shape == (4, 17, 24)
    hidden = patch_mask.mask.view(4, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    changed = images() + 5 * hidden
    assert model.backbone.encode_with_mask_tokens(changed, model.mask_token, noise)[0].equal(tokens)
    changed = images() + 5 * (1 - hidden)
    other = model.backbone.encode_with_mask_tokens(changed, model.mask_token, noise)[0]
    assert not other.equal(tokens)


@pytest.mark.parametrize(
    'overrides, message',
    [
        (dict(masking='block'), "choose 'visible' or 'mask_tokens'"),
        (dict(teacher__backbone__patch_size=8), 'teacher divides an image into 2x2 patches.*4x4'),
        (dict(teacher__requires_grad=True), 'the teacher is frozen'),
        (dict(head__image_feature='max'), "choose 'mean' or 'cls'"),
        (dict(head__image__queue_size=-1), 'queue_size=-1'),
    ],
)
def test_bad_fields(overrides, message):
    with pytest.raises(ValueError, match=message):
        tiny_mimco(**overrides)


def test_what_does_not_go_together():
    hybrid = dict(type='HybridViT', **HYBRID)
    with pytest.raises(ValueError, match='the student has no class token'):
        tiny_mimco(backbone=hybrid, head__image_feature='cls').loss(images())
    with pytest.raises(ValueError, match='HybridViT cannot replace removed patches'):
        tiny_mimco(backbone=hybrid, masking='mask_tokens').loss(images())
    with pytest.raises(ValueError, match='batch_size of at least 2'):
        tiny_mimco().loss(images()[:1])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images and a teacher of random weights."""
    folder = tmp_path_factory.mktemp('mimco')
    write_images(folder / 'images', num=7)
    torch.manual_seed(9)
    teacher = MODELS.build(tiny_mimco_config().teacher.backbone)
    tensors = {f'backbone.{name}': tensor for name, tensor in teacher.state_dict().items()}
    torch.save({'state_dict': tensors}, folder / 'teacher.pth')
    return folder


def run_config(folder, work_dir, checkpoint, **options):
    cfg = config(folder, work_dir, ITERATIONS, **options)
    cfg.model = tiny_mimco_config(checkpoint)
    *steps, shift, _, _ = PIPELINE
    pipeline = [*steps, dict(shift), dict(type='PackViews', views=('online',), where='device')]
    cfg.train_dataloader.dataset.pipeline = pipeline
    cfg.custom_hooks = []
    return cfg


def test_the_teacher_is_the_same_bit_for_bit_after_training(folder):
    runner = train(run_config(folder, 'whole', str(folder / 'teacher.pth')))
    given = torch.load(folder / 'teacher.pth', weights_only=True)['state_dict']
    saved = runner.model.state_dict()
    for name, tensor in given.items():
        assert saved[name.replace('backbone.', 'teacher.encoder.')].equal(tensor), name
    trained = {id(p) for group in runner.optim_wrapper.param_groups for p in group['params']}
    learning = [p for p in runner.model.parameters() if p.requires_grad]
    states = runner.optim_wrapper.optimizer.state
    assert {id(p) for p in states} == {id(p) for p in learning} <= trained


def test_a_run_resumes_exactly_though_its_teacher_s_file_is_gone(folder):
    train(run_config(folder, 'at once', str(folder / 'teacher.pth')))
    train(run_config(folder, 'killed', str(folder / 'teacher.pth')), kill_at=5)
    train(run_config(folder, 'killed', None, resume=True))
    there, here = (state(folder / name / 'iter_9.pth') for name in ('at once', 'killed'))
    assert not differences(there, here)
