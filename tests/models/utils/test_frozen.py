import pytest
import torch
from mmpretrain.registry import MODELS

from cmae_mm.models import FrozenTeacher
from tests.helpers.tiny import ARCH, tiny_config, tiny_model, two_views

MOCO = dict(type='MoCoV3ViT', arch=ARCH, img_size=16, patch_size=4)
PLAIN = dict(type='VisionTransformer', arch=ARCH, img_size=16, patch_size=4)


def encoder(config, seed=0):
    torch.manual_seed(seed)
    return MODELS.build(config)


def checkpoint_of(config, path, prefix='backbone.'):
    source = encoder(config)
    tensors = {f'{prefix}{name}': tensor for name, tensor in source.state_dict().items()}
    torch.save({'state_dict': {**tensors, 'neck.fc0.weight': torch.zeros(1)}}, path)
    return source


@pytest.mark.parametrize(
    'config, teacher',
    [
        (tiny_config().backbone, tiny_config().backbone),
        (dict(PLAIN, type='MAEViT'), dict(PLAIN, type='MAEViT')),
        (MOCO, MOCO),
    ],
    ids=['CMAE', 'MAE', 'MoCo v3'],
)
def test_it_gives_the_tokens_of_whole_images_from_checkpoints_of(config, teacher, tmp_path):
    source = checkpoint_of(config, tmp_path / 'a.pth')
    frozen = FrozenTeacher(teacher, tmp_path / 'a.pth')
    frozen.init_weights()
    plain = encoder(dict(PLAIN, out_type='raw'))
    plain.load_state_dict(source.state_dict())
    images = two_views()[0]
    plain.eval()  # of the hosts, which return nothing
    expected = plain(images)[-1]
    class_token, tokens = frozen(images)
    torch.testing.assert_close(class_token, expected[:, 0])
    torch.testing.assert_close(tokens, expected[:, 1:])
    assert (frozen.width, frozen.grid) == (24, (4, 4))


def test_an_encoder_without_class_token_and_one_of_maps():
    bare = FrozenTeacher(dict(PLAIN, with_cls_token=False, out_type='featmap'), None)
    class_token, tokens = bare(two_views()[0])
    assert class_token is None and tokens.shape == (4, 16, 24)


def test_it_never_trains():
    teacher = FrozenTeacher(dict(MOCO, drop_rate=0.5), None).train()
    assert not any(module.training for module in teacher.modules())
    images = two_views()[0]
    assert teacher(images)[1].equal(teacher(images)[1])
    assert not teacher(images)[1].requires_grad


def test_a_teacher_that_is_to_train_is_an_error():
    with pytest.raises(ValueError, match='requires_grad=True: the teacher is frozen'):
        FrozenTeacher(MOCO, None, requires_grad=True)
    teacher = FrozenTeacher(MOCO, None)
    teacher.encoder.layers[0].ln1.requires_grad_(True)
    with pytest.raises(
        ValueError, match=r'2 of its tensors require gradients, first layers\.0\.ln1'
    ):
        teacher(two_views()[0])


def test_an_encoder_that_masks_is_an_error():
    with pytest.raises(ValueError, match='SimMIMSwinTransformer masks them.*without a mask'):
        FrozenTeacher(dict(type='SimMIMSwinTransformer', arch='T'), None)


class Call:
    def __reduce__(self):
        return (print, ('executed',))


def test_a_checkpoint_that_is_missing_of_another_size_or_untrusted(tmp_path, capsys):
    wider = dict(MOCO, arch=dict(ARCH, embed_dims=32))
    checkpoint_of(wider, tmp_path / 'wider.pth')
    torch.save({'state_dict': {'backbone.cls_token': Call()}}, tmp_path / 'evil.pth')
    torch.save({'state_dict': tiny_model().head.state_dict()}, tmp_path / 'other.pth')
    for name, error, message in (
        ('', ValueError, 'no teacher: --cfg-options model.teacher.checkpoint=PATH'),
        ('none.pth', FileNotFoundError, 'teacher: no checkpoint'),
        ('wider.pth', ValueError, r'teacher: .*found \(1, 1, 32\), expected \(1, 1, 24\)'),
        ('evil.pth', ValueError, r'teacher: .*was refused: unpickling it would call \w*\.?print'),
        ('other.pth', ValueError, r'teacher: .*no tensors named backbone\.'),
    ):
        path = str(tmp_path / name) if name else ''
        with pytest.raises(error, match=message) as raised:
            FrozenTeacher(MOCO, path).init_weights()
        assert '\n' not in str(raised.value)
    assert 'executed' not in capsys.readouterr().out
