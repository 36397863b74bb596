"""UperNet around the encoder trains, tests and rejects wrong data."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import RUNNERS, init_default_scope
from mmpretrain.registry import MODELS
from PIL import Image
from torch import nn

from cmae_mm.demo.scenes import write_builtin_scenes
from cmae_mm.engine.precision import cpu_has_bfloat16
from cmae_mm.engine.ranks import fit_to_cpu
from tests.helpers.configs import read_config
from tests.helpers.hosts import require_models
from tests.helpers.process import process_here, run_on_two_ranks
from tests.helpers.segmentation import FOLDER, HYBRID, PROTOCOL, QUICKSTART, TRAINED, named
from tests.helpers.training import shallow, train_one_iteration

ROOT = Path(__file__).parents[2]
CAMVID = FOLDER / 'vit-tiny-p4_upernet_camvid.py'


@pytest.fixture
def mmseg_models():
    return require_models('mmseg')


def small_encoder(cfg, width=24):
    """Make the encoder and the heads of a config tiny."""
    model = cfg.model.get('module', cfg.model)
    model.backbone.update(
        arch=dict(embed_dims=width, num_layers=4, num_heads=2, feedforward_channels=2 * width),
        out_indices=(0, 1, 2, 3),
    )
    model.neck.embed_dim = width
    model.decode_head.update(in_channels=[width] * 4, channels=8)
    if model.get('auxiliary_head'):
        model.auxiliary_head.update(in_channels=width, channels=8)


def without_workers(cfg):
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name].update(num_workers=0, persistent_workers=False)


def write_blocks(root, folders, num=4, size=(72, 96), classes=(0, 1, 2), suffix='.png'):
    """Write colour images of blocks whose colour is their class, with their label maps.

    Args:
        root: folder to write to.
        folders: of the images and of the label maps in it.
        num: number of images.
        size: of them, (height, width).
        classes: labels.
        suffix: of the images.
    """
    generator = np.random.default_rng(0)
    colors = generator.integers(0, 256, (256, 3))
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(num):
        labels = generator.choice(classes, (3, 4)).repeat(size[0] // 3, 0).repeat(size[1] // 4, 1)
        image = colors[labels] + generator.normal(0, 10, (*size, 3))
        image = Image.fromarray(image.clip(0, 255).astype(np.uint8))
        image.save(root / folders[0] / f'{index}{suffix}')
        Image.fromarray(labels.astype(np.uint8)).save(root / folders[1] / f'{index}.png')


def write_ade20k(root, **kwargs):
    """The layout of ADE20K: labels 1 to 150, and 0, which is ignored."""
    for split in ('training', 'validation'):
        folders = (f'images/{split}', f'annotations/{split}')
        write_blocks(root, folders, **{'classes': (0, 1, 2, 150), 'suffix': '.jpg', **kwargs})


def write_plain(root, **kwargs):
    """The layout of the camvid config: labels 0 to 10, and 11, which is void."""
    for split in ('train', 'val'):
        folders = (f'images/{split}', f'annotations/{split}')
        write_blocks(root, folders, **{'classes': (0, 3, 10, 11), **kwargs})


@pytest.mark.parametrize('path', TRAINED, ids=named)
def test_optimiser_casts_and_learns_by_layers(path):
    cfg = read_config(path)
    init_default_scope('mmpretrain')  # that of mmsegmentation needs all of its models
    model = nn.Module()
    with torch.device('meta'):
        model.backbone = MODELS.build({**cfg.model.backbone, 'init_cfg': None})
        model.decode_head = nn.Linear(2, 2)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    on_cpu = torch.bfloat16 if cpu_has_bfloat16() else None
    assert wrapper.cast_dtype == (torch.float16 if torch.cuda.is_available() else on_cpu)
    rates = {id(p): g['lr'] for g in wrapper.optimizer.param_groups for p in g['params']}
    depth = 24 if 'large' in path.stem else 12
    assert rates[id(model.backbone.cls_token)] == pytest.approx(1e-4 * 0.65 ** (depth + 1))
    assert rates[id(model.backbone.layers[0].ln1.weight)] == pytest.approx(1e-4 * 0.65**depth)
    assert rates[id(model.decode_head.weight)] == 1e-4


@pytest.mark.usefixtures('mmseg_models')
@pytest.mark.slow
@pytest.mark.parametrize('path', [*TRAINED, *HYBRID], ids=named)
def test_full_width_model_trains_one_iteration(path, tmp_path):
    write_ade20k(tmp_path, classes=(1, 2, 150))
    cfg = read_config(path)
    cfg.merge_from_dict(
        {
            'train_dataloader.dataset.data_root': str(tmp_path),
            'train_dataloader.dataset.pipeline.3.scale': (128, 64),
            'train_dataloader.dataset.pipeline.3.ratio_range': (1.0, 1.0),
            'train_dataloader.dataset.pipeline.4.crop_size': (64, 64),
            'model.data_preprocessor.size': (64, 64),
        }
    )
    shallow(cfg)
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        head.channels = 32  # in_channels stay: those that the encoder must fit
    losses = train_one_iteration(cfg, tmp_path / 'run')
    # about that of a guess among 150 classes, of both heads
    assert losses['decode.loss_ce'] == pytest.approx(np.log(150), rel=0.2)
    assert losses['aux.loss_ce'] == pytest.approx(0.4 * np.log(150), rel=0.2)


def quickstart(tmp_path, iterations, scenes=None):
    write_builtin_scenes(tmp_path / 'scenes', scenes or dict(train=4, val=2))
    cfg = read_config(QUICKSTART)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'run'),
            'model.backbone.init_cfg': None,
            'train_dataloader.dataset.data_root': str(tmp_path / 'scenes'),
            'val_dataloader.dataset.data_root': str(tmp_path / 'scenes'),
            'train_cfg.max_iters': iterations,
            'train_cfg.val_interval': iterations,
            'default_hooks.logger.interval': 1,
        }
    )
    cfg.param_scheduler = None
    without_workers(cfg)
    fit_to_cpu(cfg)
    return cfg


@pytest.mark.usefixtures('mmseg_models')
def test_quickstart_learns_and_its_score_is_that_of_its_predictions(tmp_path):
    runner = RUNNERS.build(quickstart(tmp_path, 12))
    images = runner.train_loop.dataloader.dataset[0]['inputs']
    assert images.shape == (1, 128, 128)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 12 and losses[-3:].mean() < 0.9 * losses[:3].mean()

    confusion = np.zeros((14, 14))
    for data in runner.val_loop.dataloader.dataset:
        batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
        with torch.no_grad():
            (sample,) = runner.model.test_step(batch)
        truth, found = sample.gt_sem_seg.data.numpy(), sample.pred_sem_seg.data.numpy()
        np.add.at(confusion, (truth.ravel(), found.ravel()), 1)
    union = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
    expected = 100 * np.mean(confusion.diagonal()[union > 0] / union[union > 0])
    assert runner.message_hub.get_scalar('val/mIoU').current() == pytest.approx(expected, abs=0.01)


def camvid(data_root, work_dir):
    cfg = read_config(CAMVID)
    small_encoder(cfg)
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'model.backbone.init_cfg': None,
            **{f'{name}_dataloader.dataset.data_root': str(data_root) for name in ('train', 'val')},
            'train_dataloader.batch_size': 4,
            'train_cfg.max_iters': 30,
            'train_cfg.val_interval': 30,
            'optim_wrapper.optimizer.lr': 1e-2,  # a small task
            'model.backbone.drop_path_rate': 0.0,
        }
    )
    cfg.param_scheduler = None
    without_workers(cfg)
    fit_to_cpu(cfg)
    return cfg


@pytest.mark.usefixtures('mmseg_models')
def test_own_data_trains_and_its_void_is_ignored(tmp_path):
    write_plain(tmp_path / 'data')
    runner = RUNNERS.build(camvid(tmp_path / 'data', tmp_path / 'run'))
    labels = runner.train_loop.dataloader.dataset[0]['data_samples'].gt_sem_seg.data
    assert set(labels.unique().tolist()) == {0, 3, 10, 255}
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert losses[-3:].mean() < 0.7 * losses[:3].mean()
    accuracy = runner.message_hub.get_scalar('val/aAcc').current()
    # void is a quarter of the pixels, which nobody can predict: counted, this were out of reach
    assert accuracy > 90


@pytest.mark.usefixtures('mmseg_models')
@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path):
    write_plain(tmp_path / 'data')
    options = ['--work-dir', tmp_path / 'run', '--cfg-options', *on_data(tmp_path / 'data')]
    run_on_two_ranks('train.py', CAMVID, *options)
    (log,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert np.isfinite(steps[0]['loss']) and 'mIoU' in steps[-1]


def on_data(data_root):
    return [
        'model.backbone.init_cfg=None',
        f'train_dataloader.dataset.data_root={data_root}',
        f'val_dataloader.dataset.data_root={data_root}',
        'train_dataloader.batch_size=2',
        'train_cfg.max_iters=1',
        'train_cfg.val_interval=1',
        'default_hooks.logger.interval=1',
    ]


def drop_label_map(data):
    (data / 'annotations' / 'train' / '1.png').unlink()


def drop_images(data):
    for path in (data / 'images').glob('*/*'):
        path.unlink()


@pytest.mark.usefixtures('mmseg_models')
@pytest.mark.slow
@pytest.mark.parametrize(
    'classes, harm, options, message',
    [
        ((3, 12), None, [], '.png has class 12, the model 11 classes (0 to 10, 255 is ignored)'),
        ((0, 3), drop_label_map, [], 'annotations/train/1.png'),
        ((0, 3), drop_images, [], 'a data set has no images'),
        ((0, 3), None, ['train_dataloader.dataset.data_root=nowhere'], 'nowhere/images/train'),
    ],
    ids=['class too many', 'no label map', 'no images', 'no folder'],
)
def test_wrong_data_is_one_line(tmp_path, classes, harm, options, message):
    write_plain(tmp_path / 'data', num=2, classes=classes)
    if harm:
        harm(tmp_path / 'data')
    data = [*on_data(tmp_path / 'data'), 'train_dataloader.num_workers=0', *options]
    process = process_here(
        'train.py', CAMVID, '--work-dir', tmp_path / 'run', '--cfg-options', *data
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith('error: ') and message in last


def test_multi_scale_test_averages_scales_and_flips(tmp_path, mmseg_models):
    write_ade20k(tmp_path / 'data', num=1)
    cfg = read_config(FOLDER / f'vit-base-p16_{PROTOCOL}-ms.py')
    small_encoder(cfg)
    for step in cfg.test_dataloader.dataset.pipeline[-1].transforms[0]:
        step.scale = tuple(length // 8 for length in step.scale)  # the images are small, too
    cfg.model.module.test_cfg.update(crop_size=(64, 64), stride=(43, 43))
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    cfg.work_dir = str(tmp_path / 'run')
    cfg.load_from = str(tmp_path / 'trained.pth')
    without_workers(cfg)
    fit_to_cpu(cfg)
    trained = mmseg_models.build({**cfg.model.module, 'data_preprocessor': None})
    torch.save(dict(state_dict=trained.state_dict()), cfg.load_from)
    runner = RUNNERS.build(cfg)
    assert 0 <= runner.test()['mIoU'] < 100
    model = runner.model.module
    for name, tensor in trained.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor)

    images, logits = [], []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: images.append(kwargs['inputs']), with_kwargs=True
    )
    model.register_forward_hook(lambda _, args, output: logits.append(output[0].seg_logits.data))
    (merged,) = runner.model.test_step(next(iter(runner.test_loop.dataloader)))
    heights = [image.shape[2] for image in images]
    assert heights == sorted(2 * [32, 48, 64, 80, 96, 112])
    for straight, flipped in zip(images[::2], images[1::2]):
        torch.testing.assert_close(flipped, straight.flip(-1))
    expected = (sum(each.softmax(0) for each in logits) / 12).argmax(0)
    assert torch.equal(merged.pred_sem_seg.data[0], expected)
