import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from cmae_mm.evaluation import build_encoder, input_shape, share_encoder
from cmae_mm.models import build_model
from cmae_mm.models.utils import sincos_position_embedding
from tests.helpers.configs import PRETRAINING, read_config
from tests.helpers.tiny import ARCH, initial_state, tiny_config

COLORS = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0])


def images(num=3, channels=3, size=(16, 16)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (num, channels, *size), dtype=torch.uint8, generator=generator)


def cmae_config(**overrides):
    model = tiny_config(**overrides)
    del model['data_preprocessor']
    data = dict(type='CMAEDataPreprocessor', **COLORS)
    return Config(dict(model=model, data_preprocessor=data))


def classifier_config(backbone, **data_preprocessor):
    model = dict(type='ImageClassifier', backbone=backbone)
    return Config(dict(model=model, data_preprocessor={**COLORS, **data_preprocessor}))


RESNET = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8)


def checkpoint_of(cfg, path, seed=1):
    torch.manual_seed(seed)
    state = initial_state(cfg)
    torch.save({'state_dict': state}, path)
    return state


def test_features_are_the_mean_of_the_patch_tokens(tmp_path):
    cfg = cmae_config()
    state = checkpoint_of(cfg, tmp_path / 'a.pth')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(state)
    normalized = (images() - torch.tensor(COLORS['mean']).view(3, 1, 1)) / torch.tensor(
        COLORS['std']
    ).view(3, 1, 1)
    tokens = model.backbone(normalized)[-1]  # (N, 1 + L, D)
    average = build_encoder(cfg, tmp_path / 'a.pth')(images())
    class_token = build_encoder(cfg, tmp_path / 'a.pth', pooling='cls')(images())
    assert torch.allclose(average, tokens[:, 1:].mean(1), atol=1e-5)
    assert torch.allclose(class_token, tokens[:, 0], atol=1e-5)


@pytest.mark.parametrize('with_cls_token', [True, False])
def test_tokens_are_all_that_the_encoder_puts_out(with_cls_token):
    cfg = classifier_config(
        dict(
            type='VisionTransformer',
            arch=ARCH,
            img_size=(8, 12),
            patch_size=4,
            with_cls_token=with_cls_token,
            out_type='featmap' if not with_cls_token else 'cls_token',
        )
    )
    encoder = build_encoder(cfg)
    shown = images(size=(8, 12))
    tokens = encoder.tokens(shown)
    assert tokens.shape == (3, 6 + with_cls_token, ARCH['embed_dims'])
    assert torch.allclose(encoder(shown), tokens[:, int(with_cls_token) :].mean(dim=1))


def test_untrained_encoder_is_the_one_that_training_starts_from():
    cfg = cmae_config()
    untrained = build_encoder(cfg).backbone.state_dict()
    model = MODELS.build(cfg.model)
    assert untrained.keys() == model.backbone.state_dict().keys()
    assert torch.equal(untrained['pos_embed'], sincos_position_embedding((4, 4), 24))


@pytest.mark.parametrize('channels, size', [(1, (16, 16)), (3, (8, 24))])
def test_any_channels_and_rectangles(channels, size):
    cfg = cmae_config(backbone__img_size=size, backbone__in_channels=channels)
    cfg.data_preprocessor.update(mean=[100.0] * channels, std=[50.0] * channels)
    assert input_shape(cfg) == (channels, *size)
    assert build_encoder(cfg)(images(2, channels, size)).shape == (2, ARCH['embed_dims'])


def test_a_convolutional_backbone_is_averaged_over_places(tmp_path):
    cfg = classifier_config(RESNET, to_rgb=True)
    checkpoint_of(cfg, tmp_path / 'a.pth')
    encoder = build_encoder(cfg, tmp_path / 'a.pth')
    scale = encoder.data_preprocessor
    normalized = (images() - scale.mean) / scale.std
    expected = encoder.backbone(normalized)[-1].mean(dim=(2, 3))
    assert torch.allclose(encoder(images()), expected, atol=1e-5)
    assert input_shape(cfg) == (3, 224, 224)
    assert input_shape(cfg, size=32) == (3, 32, 32)


def test_a_backbone_trained_on_bgr_is_shown_bgr():
    torch.manual_seed(0)
    rgb = build_encoder(classifier_config(RESNET, to_rgb=True))
    torch.manual_seed(0)
    bgr = build_encoder(classifier_config(RESNET, to_rgb=False))
    assert torch.equal(bgr(images()), rgb(images().flip(1)))
    assert not torch.equal(bgr(images()), rgb(images()))


def test_the_encoder_is_frozen():
    encoder = build_encoder(cmae_config())
    assert not encoder.training
    assert not encoder(images()).requires_grad


def test_checkpoint_of_another_size_or_depth(tmp_path):
    wider = {**ARCH, 'embed_dims': 32}
    deeper = {**ARCH, 'num_layers': 3}
    for name, arch, message in (
        ('wider', wider, r'cls_token: found \(1, 1, 32\), expected \(1, 1, 24\)'),
        ('deeper', deeper, r'layers.2.*expected none'),
    ):
        checkpoint_of(cmae_config(backbone__arch=arch), tmp_path / f'{name}.pth')
        with pytest.raises(ValueError, match=message):
            build_encoder(cmae_config(), tmp_path / f'{name}.pth')


def test_checkpoint_of_another_program(tmp_path):
    torch.save({'conv1.weight': torch.ones(2)}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match="no tensors named backbone.*'conv1.weight'"):
        build_encoder(cmae_config(), tmp_path / 'a.pth')


def test_pooling_that_the_backbone_has_not():
    with pytest.raises(ValueError, match="ResNet has no cls_token.*'cls'"):
        build_encoder(classifier_config(ConfigDict(RESNET)), pooling='cls')
    bare = dict(type='VisionTransformer', arch=ARCH, with_cls_token=False, out_type='featmap')
    with pytest.raises(ValueError, match='VisionTransformer has no cls_token'):
        build_encoder(classifier_config(bare), pooling='cls')
    with pytest.raises(ValueError, match="choose 'avg' or 'cls'"):
        build_encoder(cmae_config(), pooling='max')


SMALL = [path for path in PRETRAINING if path.stem.endswith(('cifar10', 'quickstart'))]


def flags(model):
    modes = [module.training for module in model.modules()]
    return modes, [parameter.requires_grad for parameter in model.parameters()]


@pytest.mark.parametrize('path', SMALL, ids=lambda path: path.stem)
def test_an_encoder_in_training_is_probed_as_its_checkpoint_would_be(path, tmp_path):
    cfg = read_config(path)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.arch.num_layers = 1
    if 'teacher' in cfg.model:
        cfg.model.teacher.checkpoint = None
    model = build_model(cfg)
    model.init_weights()
    model.train()
    before = flags(model)
    encoder = share_encoder(model, cfg)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    channels, *size = input_shape(cfg)
    shown = images(2, channels, tuple(size))
    assert torch.equal(encoder(shown), build_encoder(cfg, tmp_path / 'a.pth')(shown))
    assert flags(model) == before
    shared = encoder.backbone.state_dict()
    for name, tensor in model.backbone.state_dict().items():
        assert name.startswith('fusion') or shared[name].data_ptr() == tensor.data_ptr(), name
