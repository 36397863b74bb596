"""Any pre-training's encoder in the models of the downstream demonstration."""

import pytest
import torch
from mmengine.registry import RUNNERS
from mmpretrain.registry import MODELS

from cmae_mm.demo.encoders import with_encoder
from cmae_mm.demo.predictions import predict_examples
from cmae_mm.models import build_model
from tests.helpers.configs import CONFIGS, PRETRAINING, read_config
from tests.helpers.demo import HOSTS, read_task, shortened
from tests.helpers.hosts import require_models

QUICKSTART = CONFIGS / 'cmae' / 'cmae_quickstart.py'
SMALL = [path for path in PRETRAINING if path.stem.endswith('_cifar10')]
VIT = CONFIGS / 'cae' / 'cae_vit-tiny-p4_cifar10.py'
HYBRID = CONFIGS / 'cmae' / 'cmae_hybrid-tiny_cifar10.py'


def stem(path):
    return path.stem


@pytest.mark.parametrize('name', HOSTS)
def test_the_quickstarts_encoder_is_the_one_of_the_configs(name):
    require_models(HOSTS[name])
    task = read_task(name)
    fitted = with_encoder(task, read_config(QUICKSTART))
    assert fitted.model.backbone.type == 'mmpretrain.DownstreamViT'
    fitted.model.backbone.type = task.model.backbone.type
    assert fitted._cfg_dict == task._cfg_dict


@pytest.mark.parametrize('path', SMALL, ids=stem)
@pytest.mark.parametrize('name', HOSTS)
def test_pictures_have_as_many_patches_whatever_their_size(name, path):
    models = require_models(HOSTS[name])
    task, pretraining = read_task(name), read_config(path)
    fitted = with_encoder(task, pretraining)
    with torch.device('meta'):
        there, here = (models.build(cfg.model.backbone) for cfg in (task, fitted))
    assert here.patch_resolution == there.patch_resolution
    for split in ('train', 'val', 'test'):
        steps = fitted[f'{split}_dataloader'].dataset.pipeline
        assert [step.scale for step in steps if 'scale' in step] == [here.img_size[0]]
        assert [step.color_type for step in steps if 'color_type' in step] == ['color']
    normal = fitted.model.get('data_preprocessor') or fitted.data_preprocessor
    assert (normal.mean, normal.std) == (
        pretraining.data_preprocessor.mean,
        pretraining.data_preprocessor.std,
    )
    assert normal.get('to_rgb', normal.get('bgr_to_rgb')) is True


@pytest.mark.parametrize('path', SMALL, ids=stem)
def test_takes_the_whole_encoder_of_every_method(path, tmp_path):
    pretraining = read_config(path)
    torch.save({'state_dict': build_model(pretraining).state_dict()}, tmp_path / 'epoch_1.pth')
    fitted = with_encoder(read_task('segmentation'), pretraining)
    fitted.model.backbone.init_cfg.checkpoint = str(tmp_path / 'epoch_1.pth')
    backbone = MODELS.build(fitted.model.backbone)
    backbone.init_weights()
    report = backbone.load_report
    assert report.loaded == report.expected == len(backbone.state_dict())
    assert report.resized == ((8, 8), (16, 16)) and not report.new
    scales = [name for name in backbone.state_dict() if 'gamma' in name]
    assert bool(scales) == ('layer_scale_init_value' in pretraining.model.backbone)


@pytest.mark.parametrize('path', [VIT, HYBRID], ids=stem)
@pytest.mark.parametrize('name', HOSTS)
def test_takes_a_step_and_validates(name, path, data, tmp_path):
    require_models(HOSTS[name])
    cfg = shortened(with_encoder(read_task(name), read_config(path)), data)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = f'{name}-{path.stem}'  # mmengine's differ by the second
    cfg.model.backbone.init_cfg = None
    runner = RUNNERS.build(cfg)
    runner.train()
    assert torch.isfinite(torch.tensor(runner.message_hub.get_scalar('train/loss').current()))
    (example,) = predict_examples(runner, 1)
    side = 64 if name == 'classification' else 128  # of the file's
    assert example.image.shape == (side, side, 3)
    if name == 'segmentation':
        assert example.truth.labels.shape == example.prediction.labels.shape == (side, side)
    if name == 'detection':
        assert example.truth.masks.shape[1:] == example.prediction.masks.shape[1:] == (side, side)
        assert_strides_are_those_of_the_maps(runner.model)


def assert_strides_are_those_of_the_maps(model):
    side = 64
    model.eval()
    maps = model.extract_feat(torch.zeros(1, 3, side, side))
    strides = [side / each.shape[-1] for each in maps]
    assert [stride for stride, _ in model.rpn_head.prior_generator.strides] == strides
    extractor = model.roi_head.bbox_roi_extractor
    assert list(extractor.featmap_strides) == strides[:4]
    assert extractor.finest_scale == 14 * strides[0]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(type='ResNet', depth=50), 'the encoder is a ResNet: expected a Vision Transformer'),
        (dict(in_channels=4), 'takes 4 channels: the built-in pictures have 1 or 3'),
        (dict(arch=dict(num_layers=2)), 'has 2 blocks: expected 4 or more'),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    pretraining = read_config(VIT)
    pretraining.merge_from_dict(dict(model=dict(backbone=change)))
    with pytest.raises(ValueError, match=message):
        with_encoder(read_task('segmentation'), pretraining)
